"""Every Python program of every page runs as it stands there; `snippets.py` finds them.

Each is run in a process of its own, beside `invoice.pdf`, `scan.png` and a folder `invoices`, with
the environment leading to an emulator. Programs with `test_` functions are run by pytest, and those
with `await` outside of functions as a notebook would.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from snippets import (
    ELSEWHERE,
    MARKER,
    PAGES,
    PLACE,
    ROOT,
    SNIPPETS,
    WORDS,
    Snippet,
    blocks,
    snippets,
)

from extracta_rs import Client, _cli, templates
from extracta_rs.testing import Emulator, Request

SAMPLES = Path(_cli.__file__).parent / "samples"
SECRET = "E_AI_K_test"


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
    for page, test in ELSEWHERE:
        assert page in (ROOT / test).read_text(encoding="utf-8")


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
            [sys.executable, "-W", "error", *by_pytest, file.name],
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
