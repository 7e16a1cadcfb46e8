"""docs/installation.md and supply-chain.md: what they say is what the project's own files say."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
SUPPLY = (ROOT / "docs" / "supply-chain.md").read_text(encoding="utf-8")
WORKFLOWS = ROOT / ".github" / "workflows"
RELEASE = (WORKFLOWS / "release.yml").read_text(encoding="utf-8")
FOR_DEVELOPERS = {"bench", "docs", "test"}


def toml(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def test_the_extras_and_what_they_bring() -> None:
    extras = toml("pyproject.toml")["project"]["optional-dependencies"]
    rows = dict(re.findall(r"^\| `extracta_rs\[(\w+)\]` \|.*\| (.*) \|$", PAGE, re.M))
    for extra in set(extras) - FOR_DEVELOPERS:
        brings = [requirement.replace(">=", " ") + " or later" for requirement in extras[extra]]
        assert rows[extra] == ", ".join(brings)


def test_the_versions_of_python_rust_and_frameworks() -> None:
    project = toml("pyproject.toml")["project"]
    assert f"CPython {project['requires-python'].removeprefix('>=')} or later" in PAGE
    assert f"Rust {toml('Cargo.toml')['package']['rust-version']} or later" in PAGE
    tested = project["optional-dependencies"]["test"]
    for name, version in re.findall(r"(Flask|FastAPI|Django|Starlette) ([\d.]+)", PAGE):
        assert f"{name.lower()}>={version}" in tested


def test_the_wheels_are_those_of_a_release() -> None:
    table = PAGE.partition("| system |")[2].partition("\n\n")[0]
    for image in re.findall(r'manylinux: "?(\w+)"? }', RELEASE):
        assert image.removeprefix("musllinux_") in table
    wheels = len(re.findall(r"- { runner: \S+, target: \w+", RELEASE))
    rows = [line.split(" | ")[1] for line in table.splitlines()[2:]]
    assert sum(len(row.split(",")) for row in rows) == wheels == 7
    assert "seven wheels" in SUPPLY
    assert f'wc -l)" = {wheels}' in RELEASE


def test_actions_are_pinned_to_commits_and_nobody_has_a_token() -> None:
    for path in WORKFLOWS.glob("*.yml"):
        text = path.read_text(encoding="utf-8")
        used = re.findall(r"uses: (.*)", text)
        assert used
        for action in used:
            assert re.fullmatch(r"[\w/.-]+@[0-9a-f]{40} # v[\d.]+", action), action
        assert "secrets." not in text
        assert "\npermissions: {}\n" in text


def test_the_tools_are_those_of_ci() -> None:
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "cargo-deny --log-level error --locked check licenses bans sources" in run
    assert "abi3audit --strict" in run
    assert "check advisories" in (WORKFLOWS / "ci.yml").read_text(encoding="utf-8")
    assert "--require-hashes -r .ci/tools.txt" in run
