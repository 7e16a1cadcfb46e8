"""The Python programs of every page of docs/ and of README.md, as objects.

A program stands alone, unless it is marked in the page, in a comment right above it:

    <!-- snippet: continues -->                 it begins with the program above it
    <!-- snippet: run by tests/test_x.py -->    that test runs it
    <!-- snippet: not run: REASON -->           it cannot run here; it is checked for types only
    <!-- snippet: elsewhere: DIR/test_x.py -->  that test runs it, with packages that are not here

A ```text block right behind a program is what it prints.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<word>[\w+-]*)(?P<rest>[^`\n]*)$")
MARKER = re.compile(
    r"^ *<!-- snippet: (continues|run by (\S+)|not run: (.+)|elsewhere: (\S+)) -->$"
)
WORDS = {"", "console", "diff", "html", "ini", "json", "mermaid", "python", "sh", "sql", "text",
         "toml", "yaml"}  # fmt: skip
PLACE = '"<extraction id>"'  # stands for the id of a template, which the reader puts in


@dataclass(frozen=True)
class Snippet:
    """One program of a page."""

    name: str
    code: str
    prints: str | None
    run_by: str | None
    not_run: str | None

    @cached_property
    def waits_outside(self) -> bool:
        """Whether it is for a notebook: `await` stands outside of functions."""
        try:
            compile(self.code, self.name, "exec")
        except SyntaxError as error:
            if "outside" not in str(error):
                raise
            compile(self.code, self.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            return True
        return False

    @cached_property
    def has_tests(self) -> bool:
        """Whether it is for pytest."""
        return bool(re.search(r"^(async )?def test_", self.code, re.M))

    def module(self) -> str:
        """Return it as a module: what a notebook shows is printed, what it awaits is awaited."""
        lines = self.code.splitlines(keepends=True)
        for shown in reversed(self._shown()):
            first, last = shown.lineno - 1, shown.end_lineno or shown.lineno
            text = "".join(lines[first:last]).rstrip("\n")
            lines[first:last] = [f"print({text})\n"]
        code = "".join(lines)
        if not self.waits_outside:
            return code
        body = textwrap.indent(code, "    ")
        return f"import asyncio\n\n\nasync def main() -> None:\n{body}\n\nasyncio.run(main())\n"

    def _shown(self) -> list[ast.Expr]:
        """Return the lines that are but a value, as the last ones of a notebook's cells."""
        return [
            line
            for line in ast.parse(self.code).body
            if isinstance(line, ast.Expr)
            and isinstance(line.value, ast.Name | ast.Attribute | ast.Subscript)
        ]


def blocks(page: Path) -> Iterator[tuple[str, str, str, bool]]:
    """Yield language, text and the line above of each block; and whether it adjoins the last."""
    lines = iter(page.read_text(encoding="utf-8").splitlines())
    above, adjoins = "", False
    for line in lines:
        if fence := FENCE.match(line):
            indent, inside = fence["indent"], []
            for line in lines:
                if line.rstrip() == f"{indent}```":
                    break
                inside.append(line.removeprefix(indent))
            else:
                raise AssertionError(f"{page.name}: a block does not end")
            yield fence["word"], "".join(f"{line}\n" for line in inside), above, adjoins
            above, adjoins = "", True
        elif line.strip():
            above, adjoins = line, False


def snippets(page: Path) -> Iterator[Snippet]:
    """Yield the programs of a page."""
    name = re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix("")))
    found: list[Snippet] = []
    last = ""
    for word, text, above, adjoins in blocks(page):
        if word == "python":
            marker = MARKER.match(above)
            assert marker or "snippet:" not in above, f"{page.name}: {above}"
            if marker and marker[4]:
                ELSEWHERE.append((page.name, marker[4]))
                last = ""
                continue
            if marker and marker[1] == "continues":
                text = f"{found[-1].code}\n{text}"
            number = f"{name}_{len(found) + 1}"
            by, reason = (marker[2], marker[3]) if marker else (None, None)
            found.append(Snippet(number, text, None, by, reason))
        elif word == "text" and adjoins and last == "python":
            old = found.pop()
            found.append(Snippet(old.name, old.code, text, old.run_by, old.not_run))
        last = word
    yield from found


ELSEWHERE: list[tuple[str, str]] = []  # pages, and the tests that run programs of theirs
SNIPPETS = [snippet for page in PAGES for snippet in snippets(page)]
