"""What a client brings along: import time, sizes and dependencies, beside other vendors' clients.

    python benches/footprint.py dist/extracta_rs-*.whl

Each contestant is downloaded from the package index, with what it depends on, and installed into a
fresh virtual environment of this Python. Sizes are those of the wheels and of the files in the
environment without bytecode; dependencies are all that pip installs beside the package itself. An
import is the statement with which a program begins, in a fresh process, with the bytecode made
before: the median of `--rounds`, in CPU time too, which bears a busy machine better than the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path

CONTESTANTS = {
    "openai": "from openai import OpenAI",
    "stripe": "from stripe import StripeClient",
    "mindee": "from mindee.v2 import Client",
    "llama-cloud-services": "from llama_cloud_services import LlamaExtract",
}
OURS = {
    "extracta_rs": "import extracta_rs",
    "extracta_rs, a client": "from extracta_rs import Client",
}
MEASURE = """
import time
clock, cpu = time.perf_counter(), time.process_time()
{statement}
print(time.perf_counter() - clock, time.process_time() - cpu)
"""


@dataclass(frozen=True)
class Footprint:
    """What was measured of one contestant; milliseconds and bytes."""

    name: str
    version: str
    cpu_ms: float
    clock_ms: float
    dependencies: int
    wheel: int
    wheels: int
    installed: int


def pip(*arguments: object) -> None:
    """Run pip, and show what it says only if it fails."""
    command = [sys.executable, "-m", "pip", *map(str, arguments), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


def import_times(python: Path, statement: str, rounds: int) -> tuple[float, float]:
    """Return the medians of CPU and wall time of an import in ms, after one that makes bytecode."""
    program = MEASURE.format(statement=statement)
    times = []
    for _ in range(rounds + 1):
        ran = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
        if ran.returncode:
            sys.exit(f"{statement}:\n{ran.stderr}")
        times.append([float(word) for word in ran.stdout.split()])
    clock, cpu = (statistics.median(column) * 1000 for column in zip(*times[1:], strict=True))
    return cpu, clock


def measure(
    requirement: str, statements: dict[str, str], rounds: int, work: Path
) -> list[Footprint]:
    """Install one package and measure what the statements import of it."""
    wheels, home = work / "wheels", work / "venv"
    pip("download", "--only-binary=:all:", "--dest", wheels, requirement)
    venv.create(home, with_pip=False)
    python = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    offline = ("--no-index", "--find-links", wheels, "--no-compile")
    pip("--python", python, "install", *offline, requirement)
    (library,) = home.rglob("site-packages")
    installed = list(distributions(path=[str(library)]))
    own = Path(requirement).name.partition("-")[0] if requirement.endswith(".whl") else requirement
    name = own.replace("-", "_").lower()
    (wheel,) = [path for path in wheels.iterdir() if path.name.lower().startswith(f"{name}-")]
    (version,) = [dist.version for dist in installed
                  if dist.metadata["Name"].replace("-", "_").lower() == name]  # fmt: skip
    size = sum(path.stat().st_size for path in library.rglob("*") if path.is_file())
    found = []
    for label, statement in statements.items():
        cpu, clock = import_times(python, statement, rounds)
        found.append(Footprint(
            label, version, cpu, clock, len(installed) - 1, wheel.stat().st_size,
            sum(path.stat().st_size for path in wheels.iterdir()), size,
        ))  # fmt: skip
    return found


def table(rows: list[Footprint]) -> str:
    """Lay the figures out as a table of Markdown."""
    lines = [
        "| package | version | import: CPU ms | by the clock | dependencies | own wheel MB "
        "| all wheels MB | installed MB |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        sizes = " | ".join(f"{size / 1e6:.1f}" for size in (row.wheel, row.wheels, row.installed))
        lines.append(
            f"| {row.name} | {row.version} | {row.cpu_ms:.0f} | {row.clock_ms:.0f} "
            f"| {row.dependencies} | {sizes} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="a release wheel of extracta_rs")
    parser.add_argument("--rounds", type=int, default=15, help="imports of each (15)")
    parser.add_argument("--quick", action="store_true", help="only ours, three imports")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    rounds = 3 if options.quick else options.rounds
    plan = [(str(options.wheel.resolve(strict=True)), OURS)]
    if not options.quick:
        plan += [(package, {package: statement}) for package, statement in CONTESTANTS.items()]
    rows: list[Footprint] = []
    for requirement, statements in plan:
        with tempfile.TemporaryDirectory() as work:
            rows += measure(requirement, statements, rounds, Path(work))
    print(json.dumps([asdict(row) for row in rows], indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
