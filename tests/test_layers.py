"""Imports go only downwards, in Rust and in Python: see the map in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"
PACKAGE = ROOT / "python" / "extracta_rs"

# The ring of each Rust module; a module stands in the ring of the longest prefix given here.
# A module may name modules of its own ring and of those below it.
RUST_RINGS = {
    "core::config": 0,
    "core::error": 0,
    "core::headers": 0,
    "core::hex": 0,
    "core::javascript": 0,
    "core::key": 0,
    "core::model": 0,
    "core::observe": 0,
    "core::poll::decide": 0,
    "core::pace": 0,
    "core::retry": 0,
    "core::stats": 0,
    "core::table": 0,
    "core::webhook": 0,
    "core::http": 1,
    "core::limit": 1,
    "core::line": 0,
    "core::upload": 1,
    "core::journal": 1,
    "core::api": 2,
    "core::poll": 2,
    "core::poll::engine": 2,
    "core::run": 2,
    "core::poll::memory": 2,
    "core::run::label": 0,
    "core::run::look": 0,
    "emulator": 2,
    "python": 3,
}
SHARED_WITH_THE_EMULATOR = {"core::error", "core::javascript", "core::model", "core::webhook"}

# A Python module may name only modules of the rings below its own, and those of its own package.
PYTHON_RINGS = {
    "_core": 0,
    "exceptions": 0,
    "tables": 0.2,
    "templates": 0,
    "_html": 0,
    "_bar": 0,
    "_lenient": 0,
    "_limiter": 0,
    "_schemas": 0,
    "_parse": 0.5,
    "models": 1,
    "journal": 2,
    "redis": 2,
    "webhooks": 2,
    "_shared": 3,
    "_observe": 3,
    "_options": 3.2,
    "_base": 3.5,
    "_engine": 4,
    "_runs": 4,
    "_waits": 4,
    "otel": 4,
    "_sync": 5,
    "_async": 5,
    "_default": 6,
    "_outgoing": 6,
    "_loopback": 6,
    "__init__": 7,
    "testing": 8,
    "celery": 8,
    "contrib": 8,
    "asgi": 9,
    "django": 9,
    "fastapi": 9,
    "flask": 9,
    "starlette": 9,
    "wsgi": 9,
    "_pytest": 9,
    "_cli": 9,
}


def code(path: Path) -> str:
    """Return Rust source without comments and string contents, which may name anything."""
    without_strings = re.sub(r'"(?:[^"\\]|\\.)*"', '""', path.read_text(encoding="utf-8"))
    return re.sub(r"//[^\n]*", "", without_strings)


def module_of(path: Path) -> list[str]:
    parts = list(path.relative_to(SRC).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "mod" else parts


def branches(tree: str) -> list[str]:
    """Split `a, b::{c, d}` at its outer commas."""
    out, depth, start = [], 0, 0
    for index, char in enumerate(tree):
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            out.append(tree[start:index])
            start = index + 1
    return [branch for branch in [*out, tree[start:]] if branch]


def expand(tree: str) -> list[str]:
    """Turn a use tree without white space into plain paths."""
    if "{" not in tree:
        return [tree]
    head, _, rest = tree.partition("{")
    return [path for branch in branches(rest[:-1]) for path in expand(head + branch)]


def named_paths(source: str) -> list[str]:
    """Return each path that begins with `crate`, `super` or `self`, in a `use` or elsewhere."""
    found = []
    for statement in re.findall(r"\buse\s+([^;]+);", source):
        tree = re.sub(r"\s+as\s+\w+", "", statement)
        found += expand(re.sub(r"\s+", "", tree))
    rest = re.sub(r"\buse\s+[^;]+;", "", source)
    found += re.findall(r"\b(?:crate|super|self)(?:::\w+)+", rest)
    return [path for path in found if path.split("::")[0] in ("crate", "super", "self")]


def resolve(path: str, module: list[str]) -> str:
    """Return the path from the crate's root."""
    first, *rest = path.split("::")
    if first == "crate":
        return "::".join(rest)
    at = list(module)
    if first == "super":
        at = at[:-1]
    while rest and rest[0] == "super":
        at, rest = at[:-1], rest[1:]
    return "::".join([*at, *rest])


def rust_module(path: str) -> str | None:
    """Return the listed module that a path is in."""
    parts = path.split("::")
    prefixes = ("::".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in RUST_RINGS), None)


def rust_files() -> list[Path]:
    return sorted(path for path in SRC.rglob("*.rs") if path.name != "lib.rs")


@pytest.mark.parametrize("path", rust_files(), ids=lambda path: str(path.relative_to(SRC)))
def test_rust_arrows_go_downwards(path: Path) -> None:
    source, module = code(path), module_of(path)
    own = "::".join(module)
    if own == "core":
        assert not named_paths(source), "core/mod.rs only lists its modules"
        return
    own_listed = rust_module(own)
    assert own_listed, f"give {own} a ring in RUST_RINGS"
    for named in named_paths(source):
        full = resolve(named, module)
        target = rust_module(full)
        if target is None or full.startswith(f"{own}::"):
            continue
        assert RUST_RINGS[target] <= RUST_RINGS[own_listed], f"{own} names {full}"
        if own_listed == "emulator" and target.startswith("core"):
            assert target in SHARED_WITH_THE_EMULATOR, f"{own} names {full}"
        if own.startswith("core"):
            assert full.startswith("core"), f"{own} names {full}"


@pytest.mark.parametrize("path", rust_files(), ids=lambda path: str(path.relative_to(SRC)))
def test_foreign_crates_stay_where_they_belong(path: Path) -> None:
    source, own = code(path), "::".join(module_of(path))
    if not own.startswith("python"):
        assert not re.search(r"\bpyo3\b", source)
    if not own.startswith("core::http"):
        assert not re.search(r"\breqwest\b", source)
    if not own.startswith("emulator"):
        assert not re.search(r"\b(hyper|hyper_util|multer)\b", source)


def test_the_reader_of_rust_paths() -> None:
    source = "use super::{a::B, c::{D, self as e}}; fn f() { crate::x::y() } pub use self::z;"
    assert named_paths(source) == [
        "super::a::B", "super::c::D", "super::c::self", "self::z", "crate::x::y",
    ]  # fmt: skip
    assert resolve("super::super::x::Y", ["core", "poll", "engine"]) == "core::x::Y"
    assert resolve("self::z", ["core", "poll"]) == "core::poll::z"
    assert rust_module("core::poll::decide::Watch") == "core::poll::decide"


def python_module(path: Path) -> list[str]:
    return list(path.relative_to(PACKAGE).with_suffix("").parts)


def for_types_only(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(path: Path) -> list[str]:
    """Return the modules of this package that a file imports at run time, dotted."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and for_types_only(node)
        for inner in ast.walk(node)
    }
    package = python_module(path)[:-1]
    found = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = node.level - 1
            base = ["extracta_rs", *package[: len(package) - above]] if node.level else []
            base += (node.module or "").split(".") if node.module else []
            found += [".".join([*base, alias.name]) for alias in node.names]
    return [name.partition(".")[2] for name in found if name.split(".")[0] == "extracta_rs"]


def python_ring(dotted: str) -> str:
    first = dotted.split(".")[0]
    # A name that is no module comes from the package itself: `from .. import Client`.
    is_module = (PACKAGE / f"{first}.py").exists() or (PACKAGE / first).is_dir()
    return first if is_module or first == "_core" else "__init__"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_python_arrows_go_downwards(path: Path) -> None:
    own = python_module(path)[0]
    assert own in PYTHON_RINGS, f"give {own} a ring in PYTHON_RINGS"
    for dotted in imports(path):
        target = python_ring(dotted)
        assert target in PYTHON_RINGS, f"give {target} a ring in PYTHON_RINGS"
        same_package = target == own and (PACKAGE / own).is_dir()
        assert same_package or PYTHON_RINGS[target] < PYTHON_RINGS[own], f"{own} imports {dotted}"


def test_only_the_command_line_needs_click_and_rich() -> None:
    for path in PACKAGE.rglob("*.py"):
        if "_cli" not in path.parts:
            assert not re.search(r"^\s*(import|from) (click|rich)\b", path.read_text("utf-8"), re.M)


def test_a_blocking_client_is_there_without_asyncio() -> None:
    program = "import sys; from extracta_rs import Client; print('asyncio' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout.split() == [b"False"]
