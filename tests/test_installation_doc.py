"""docs/installation.md: extras, versions and wheels are those of the project's own files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "installation.md").read_text(encoding="utf-8")
RELEASE = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
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
    for image in set(re.findall(r'manylinux: "?(\w+)"? }', RELEASE)):
        assert image.removeprefix("musllinux_") in table
    rows = [line.split(" | ")[1] for line in table.splitlines()[2:]]
    assert sum(len(row.split(",")) for row in rows) == RELEASE.count("target: ") - RELEASE.count(
        "target: ${{"
    )
