"""Forks of processes that have a journal open."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_tools import hold, names, once, run, uploaded

from extracta_rs import Journal
from extracta_rs.testing import Emulator

Start = Callable[..., subprocess.Popen[str]]
End = Callable[..., str]


@pytest.fixture
def journal(either_journal: str) -> str:
    """In a file and in a database in turn."""
    return either_journal


def everything(folder: Path) -> Any:
    return once(*((path.name, path.read_bytes()) for path in folder.iterdir()))


def test_a_child_does_not_keep_a_killed_run_alive(
    extraction_id: str,
    extracta_emulator: Emulator,
    face: Any,
    folder: Path,
    journal: str,
    start: Start,
) -> None:
    # Where an extraction has no batch the emulator shows no list of them.
    face("extractions.upload", extraction_id, ("before.txt", b"before"))
    before = uploaded(extracta_emulator)
    extracta_emulator.faults.add("uploadFiles", delay=60)
    arguments = (extracta_emulator.base_url, "test-key", extraction_id, folder, journal)
    with start("fork_journal.py", "outlive", *arguments, stdin=subprocess.PIPE) as parent:
        try:
            hold(lambda: uploaded(extracta_emulator) != before)
            assert parent.stdin
            assert parent.stdout
            parent.stdin.write("fork\n")
            parent.stdin.flush()
            child = int(parent.stdout.readline())
        finally:
            parent.kill()
            os.waitpid(parent.pid, 0)
        # The child has the pipe's other end, and lives.
        os.kill(child, 0)
        files = sorted(folder.iterdir())
        told = run(face, extraction_id, files, journal, timeout=20)
        os.kill(child, signal.SIGKILL)
    assert names(told) == [path.name for path in files]
    assert uploaded(extracta_emulator) - before == everything(folder)


def test_forks_between_the_steps_of_a_run(
    extraction_id: str,
    extracta_emulator: Emulator,
    tmp_path: Path,
    journal: str,
    start: Start,
    end: End,
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.pdf").write_bytes(b"%%PDF %d" % number)
    arguments = (extracta_emulator.base_url, "test-key", extraction_id, folder, journal)
    assert end(start("fork_journal.py", "often", *arguments)) == "fine\n"
    assert uploaded(extracta_emulator) == everything(folder)
    with Journal(journal) as read:
        assert read.status()["finished"] == 40
        read.check()


@pytest.mark.extracta_emulator(fail_files=["0.pdf"])
def test_a_child_goes_on_when_its_parent_has_closed_the_file(
    extraction_id: str, face: Any, journal: str, start: Start, end: End
) -> None:
    files = [(f"{number}.pdf", b"%PDF") for number in range(3)]
    run(face, extraction_id, files, journal)
    assert end(start("fork_journal.py", "keep", journal)) == "fine\n"
    with Journal(journal) as read:
        status = read.status()
        assert (status["planned"], status["finished"]) == (1, 2)
        read.check()
