"""Every Python program of every page runs as it stands there, and type checkers accept it.

A page's programs are run one by one, each in a process of its own, beside `invoice.pdf`,
`scan.png` and a folder `invoices`, with the environment leading to an emulator. A ```text block
right behind a program is what it prints. Programs with `test_` functions are run by pytest, and
those with `await` outside of functions as a notebook would. The few exceptions are marked in the
page, in a comment right above the program:

    <!-- snippet: continues -->                 the program begins with the one above it
    <!-- snippet: run by tests/test_x.py -->    that test runs it, and says so
    <!-- snippet: not run: REASON -->           it cannot run here; it is checked for types only
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from extracta_rs import Client, _cli, templates
from extracta_rs.testing import Emulator, Request

ROOT = Path(__file__).parent.parent
SAMPLES = Path(_cli.__file__).parent / "samples"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^(?P<indent> *)```(?P<word>[\w+-]*)(?P<rest>[^`\n]*)$")
MARKER = re.compile(r"^ *<!-- snippet: (continues|run by (\S+)|not run: (.+)) -->$")
WORDS = {"", "console", "diff", "html", "ini", "json", "mermaid", "python", "sh", "sql", "text",
         "toml", "yaml"}  # fmt: skip
PLACE = '"<extraction id>"'  # stands for the id of a template, which the reader puts in
SECRET = "E_AI_K_test"


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
        """Return it as a module: what waits outside of functions does so in one."""
        if not self.waits_outside:
            return self.code
        body = textwrap.indent(self.code, "    ")
        return f"import asyncio\n\n\nasync def main() -> None:\n{body}\n\nasyncio.run(main())\n"


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


SNIPPETS = [snippet for page in PAGES for snippet in snippets(page)]


def test_blocks_name_their_language_so_that_none_is_missed() -> None:
    for page in PAGES:
        assert {word for word, *_ in blocks(page)} <= WORDS, page.name
        assert len(re.findall(r"<!-- *snippet", page.read_text(encoding="utf-8"))) == sum(
            word == "python" and MARKER.match(above) is not None
            for word, _, above, _ in blocks(page)
        ), f"{page.name}: a mark that is not right above a program"


def test_few_are_excepted_and_the_named_tests_run_those() -> None:
    assert len(SNIPPETS) >= 20
    assert sum(snippet.not_run is not None for snippet in SNIPPETS) <= 3
    for snippet in SNIPPETS:
        if snippet.run_by:
            page = snippet.name.rpartition("_")[0].removeprefix("docs_").replace("_", "-")
            assert f"{page}.md" in (ROOT / snippet.run_by).read_text(encoding="utf-8")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the documents that the pages speak of."""
    shutil.copy(SAMPLES / "invoice-4711.pdf", tmp_path / "invoice.pdf")
    shutil.copy(SAMPLES / "scan-0092.png", tmp_path / "scan.png")
    (tmp_path / "invoices").mkdir()
    for number in (1, 2, 3):
        (tmp_path / "invoices" / f"{number}.pdf").write_bytes(b"%%PDF-1.7 %d" % number)
    return tmp_path


@dataclass(frozen=True)
class Ran:
    """What came of a program."""

    code: int
    out: str
    err: str
    requests: list[Request]


def run(snippet: Snippet, place: Path) -> Ran:
    """Run a program in a folder."""
    with Emulator() as emulator:
        with Client(emulator.api_key, base_url=emulator.base_url) as client:
            made = client.extractions.create(**templates.load("invoice")).extraction_id
            client.extractions.upload(made, ("first.pdf", b"%PDF"))
        before = len(emulator.requests())
        file = place / ("test_snippet.py" if snippet.has_tests else "snippet.py")
        file.write_text(snippet.module().replace(PLACE, repr(made)), encoding="utf-8")
        by_pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"] if snippet.has_tests else []
        done = subprocess.run(
            [sys.executable, "-W", "error", "-X", "dev", *by_pytest, file.name],
            cwd=place,
            env={
                **os.environ,
                "EXTRACTA_API_KEY": emulator.api_key,
                "EXTRACTA_BASE_URL": emulator.base_url,
                "EXTRACTA_WEBHOOK_SECRET": SECRET,
                "WEBHOOK_SECRET_NEW": "E_AI_K_new",
                "WEBHOOK_SECRET_OLD": "E_AI_K_old",
                "PYTHONIOENCODING": "utf-8",
            },
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr, emulator.requests()[before:])


@pytest.mark.parametrize(
    "snippet",
    [snippet for snippet in SNIPPETS if not snippet.run_by and not snippet.not_run],
    ids=lambda snippet: snippet.name,
)
def test_it_runs(snippet: Snippet, place: Path) -> None:
    ran = run(snippet, place)
    assert (ran.code, ran.err) == (0, ""), ran.out + ran.err
    if snippet.prints is not None:
        assert ran.out == snippet.prints
    assert {request.status for request in ran.requests} <= {200}
    if "Client() as client:" in snippet.code and "def " not in snippet.code:
        assert ran.requests


def test_the_programs_of_the_readme_print_what_they_got(place: Path) -> None:
    blocking, waiting, _ = snippets(ROOT / "README.md")
    fields = templates.load("invoice")["fields"]
    (total,) = [field["example"] for field in fields if field["key"] == "total"]
    for snippet in (blocking, waiting):
        ran = run(snippet, place)
        assert total in ran.out
        paths = [request.path for request in ran.requests]
        assert paths == ["/createExtraction", "/uploadFiles", "/getBatchResults"]


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All programs, each a file."""
    folder = tmp_path_factory.mktemp("snippets")
    for snippet in SNIPPETS:
        (folder / f"{snippet.name}.py").write_text(snippet.module(), encoding="utf-8")
    return folder


def check(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_accepts_all_in_strict_mode(modules: Path) -> None:
    check(modules, "mypy", "--strict", "--cache-dir", os.devnull, ".")


def test_pyright_accepts_all_in_strict_mode(modules: Path) -> None:
    settings = '{"typeCheckingMode": "strict", "pythonVersion": "3.11"}'
    (modules / "pyrightconfig.json").write_text(settings, encoding="utf-8")
    check(modules, "pyright", "--pythonpath", sys.executable, "-p", ".")
