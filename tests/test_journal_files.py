"""A journal's file: damaged, full, of somebody else's, in several processes; and its commands."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import Client, Journal, JournalError, RunIncompleteError
from extracta_rs.testing import Emulator

QUICK: dict[str, Any] = {"poll_interval": 0.02, "max_poll_interval": 0.1, "settle_time": 0.5}


@pytest.fixture
def done(extraction_id: str, extracta_client: Client, tmp_path: Path) -> Path:
    """A journal of 30 documents; the first failed, one was refused."""
    journal = tmp_path / "run.journal"
    files = [(f"{number}.pdf", f"%PDF{number}".encode() * 100) for number in range(30)]
    missing = tmp_path / "missing.pdf"
    with pytest.raises(RunIncompleteError):
        list(
            extracta_client.extractions.run_many(
                extraction_id, [*files, missing], journal=journal, **QUICK
            )
        )
    return journal


def test_it_is_whole_and_holds_no_key(done: Path, extracta_client: Client) -> None:
    with Journal(done, create=False) as journal:
        journal.check()
        assert journal.status() == {
            "planned": 0, "refused": 0, "uploading": 0, "unknown": 0, "uploaded": 0, "finished": 30,
        }  # fmt: skip
        documents = list(journal.documents())
        assert len(documents) == 30
        assert {document.state for document in documents} == {"finished"}
        assert repr(journal) == f"Journal({str(done)!r})"
        assert sum(len(results) for results in journal.results()) == 30
    assert b"test-key" not in done.read_bytes()
    # The write-ahead log is gone once nobody has it open.
    assert [path.name for path in done.parent.iterdir()] == [done.name]


def test_a_closed_journal_says_so(done: Path) -> None:
    journal = Journal(done)
    journal.close()
    journal.close()
    with pytest.raises(JournalError, match="closed"):
        journal.status()


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def no_database(path: Path) -> None:
    path.write_text("this is a list of my invoices\n" * 1000)


def another_database(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE invoices (id)")
    database.close()


def of_a_newer_release(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (damaged, "damaged"),
        (truncated, "damaged"),
        (no_database, "not an SQLite file"),
        (another_database, "no journal of extracta_rs"),
        (of_a_newer_release, "newer release"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_of_and_left_alone(
    done: Path, harm: Callable[[Path], None], told: str, extraction_id: str,
    extracta_client: Client, extracta_emulator: Emulator,
) -> None:  # fmt: skip
    harm(done)
    before, sent = done.read_bytes(), len(extracta_emulator.requests())
    with pytest.raises(JournalError, match=told) as caught, Journal(done) as journal:
        journal.check()
        journal.status()
    assert caught.value.journal == str(done)
    if told != "damaged":  # Damage may be where nobody looks yet.
        run = extracta_client.extractions.run_many
        with pytest.raises(JournalError, match=told):
            list(run(extraction_id, ("new.pdf", b"%PDF"), journal=done, **QUICK))
        assert len(extracta_emulator.requests()) == sent
        assert done.read_bytes() == before


def test_paths_that_lead_nowhere(tmp_path: Path) -> None:
    for path in (tmp_path / "none" / "journal", tmp_path):
        with pytest.raises(JournalError, match=r"cannot be opened|a folder"):
            Journal(path)
    with pytest.raises(JournalError, match="no such file"):
        Journal(tmp_path / "journal", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_cannot_be_written(done: Path) -> None:
    done.chmod(0o444)
    done.parent.chmod(0o555)
    try:
        with pytest.raises(JournalError, match="cannot be"):
            Journal(done)
    finally:
        done.parent.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A disk of 400 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk, where mounting is allowed at all")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_ends_the_run_and_nothing_is_lost_or_paid_twice(
    small_disk: Path,
    tmp_path: Path,
    extraction_id: str,
    extracta_client: Client,
    extracta_emulator: Emulator,
) -> None:
    extracta_client.extractions.upload(extraction_id, ("before.pdf", b"%PDF"))
    files = [(f"{number}.pdf", f"%PDF{number}".encode()) for number in range(3000)]
    journal = small_disk / "journal"
    run = extracta_client.extractions.run_many
    with pytest.raises(JournalError, match="disk is full"):
        list(run(extraction_id, files, journal=journal, max_files_per_batch=100, **QUICK))
    with Journal(journal) as opened:
        opened.check()
    roomy = tmp_path / "journal"
    for end in ("", "-wal"):
        if Path(f"{journal}{end}").exists():
            shutil.copy(f"{journal}{end}", f"{roomy}{end}")
    found = list(run(extraction_id, files, journal=roomy, max_files_per_batch=100, **QUICK))
    assert sum(len(results) for results in found) == 3000
    sent = [
        part.file_name
        for request in extracta_emulator.requests()
        if request.endpoint == "uploadFiles" and request.carried_out
        for part in request.parts
        if part.file_name not in (None, "before.pdf")
    ]
    assert len(sent) == len(set(sent)) == 3000


def test_eight_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    program = "import sys; from extracta_rs import Journal; print(Journal(sys.argv[1]).status())"
    command = [sys.executable, "-c", program, str(tmp_path / "journal")]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(8)]
    told = {process.communicate(timeout=60)[0] for process in started}
    assert {process.returncode for process in started} == {0}
    assert len(told) == 1


def test_a_fork_opens_its_own(done: Path) -> None:
    program = """
import os, sys
from extracta_rs import Journal
journal = Journal(sys.argv[1])
assert journal.status()["finished"] == 30
child = os.fork()
if not child:
    os._exit(0 if journal.status()["finished"] == 30 else 1)
assert os.waitpid(child, 0)[1] == 0
assert journal.status()["finished"] == 30
"""
    subprocess.run([sys.executable, "-c", program, str(done)], check=True, timeout=60)
