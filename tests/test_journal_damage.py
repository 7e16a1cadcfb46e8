"""Journals that cannot be used, and disks that fill up: a clear error, and nothing by halves."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from run_tools import BEFORE, FAST, hold, names, once, run, uploaded, work

from extracta_rs import Client, Journal, JournalError
from extracta_rs.testing import Emulator

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def refused(path: Path, **settings: Any) -> str:
    """Return why a journal is not opened; the error names the file."""
    with pytest.raises(JournalError) as caught:
        Journal(path, **settings)
    assert caught.value.journal == str(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.fixture
def used(extracta_client: Client, extraction_id: str, tmp_path: Path, folder: Path) -> Path:
    """A journal with the results of seven documents."""
    path = tmp_path / "used.journal"
    files = sorted(folder.iterdir())
    list(extracta_client.extractions.run_many(extraction_id, files, journal=path, **FAST))
    assert not path.with_name(path.name + "-wal").exists()
    return path


@pytest.mark.parametrize("content", [b"%PDF-1.7 " * 500, b"x", b"SQLite format 3\0" + b"x" * 2000])
def test_another_kind_of_file_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "invoice.pdf"
    path.write_bytes(content)
    assert "not an SQLite file" in refused(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch()
    with Journal(path) as journal:
        assert sum(journal.status().values()) == 0
        journal.check()


def everything(path: Path) -> tuple[dict[Any, int], list[Any]]:
    """Read all that is in a journal."""
    with Journal(path, create=False) as journal:
        journal.check()
        documents = [(d.name, d.sha256, d.state, d.batch_id) for d in journal.documents()]
        results = [(r.batch_id, r.to_dict()) for r in journal.results()]
        return dict(journal.status()), [documents, results]


def test_a_truncated_journal_is_refused_or_read_with_an_error(used: Path, tmp_path: Path) -> None:
    content = used.read_bytes()
    whole = everything(used)
    path = tmp_path / "cut"
    told = 0
    for size in [1, 15, 16, 100, 511, 512, *range(1000, len(content), 1111)]:
        path.write_bytes(content[:size])
        try:
            found = everything(path)
        except JournalError as error:
            told += "damaged" in str(error) or "not an SQLite file" in str(error)
        else:
            # Only what was empty is missing.
            assert found == whole, size
            told += size > len(content) - 4096
    assert told == 6 + len(range(1000, len(content), 1111))
    path.write_bytes(b"")
    path.with_name("cut-wal").write_bytes(content)
    assert "cut short" in refused(path)
    path.with_name("cut-wal").unlink()
    path.write_bytes(content)
    assert everything(path) == whole


def test_damage_is_told_or_harmless(used: Path, tmp_path: Path) -> None:
    content, whole = used.read_bytes(), everything(used)
    chance = random.Random(4)
    path, told = tmp_path / "hurt", 0
    for _ in range(150):
        hurt = bytearray(content)
        start = chance.randrange(0, len(content) - 200)
        hurt[start : start + 200] = chance.randbytes(200)
        path.write_bytes(hurt)
        try:
            found = everything(path)
        except JournalError:
            told += 1
        else:
            # Bytes that nothing uses, or within a value: never another structure.
            assert sum(found[0].values()) == sum(whole[0].values())
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
    assert told > 20


def test_a_run_with_a_damaged_journal_uploads_nothing(
    face: Any, extraction_id: str, extracta_emulator: Emulator, used: Path, folder: Path
) -> None:
    sent = uploaded(extracta_emulator)
    content = bytearray(used.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    used.write_bytes(content)
    (folder / "new.pdf").write_bytes(b"new")
    with pytest.raises(JournalError, match="damaged"):
        run(face, extraction_id, sorted(folder.iterdir()), used)
    assert uploaded(extracta_emulator) == sent


def test_results_that_are_damaged_are_told(
    face: Any, extraction_id: str, used: Path, folder: Path
) -> None:
    with closing(sqlite3.connect(used)) as database:
        database.execute("UPDATE batches SET results = x'7b226669'")
        database.commit()
    with pytest.raises(JournalError, match="are damaged"):
        run(face, extraction_id, sorted(folder.iterdir()), used)
    with Journal(used) as journal, pytest.raises(JournalError, match="are damaged"):
        list(journal.results())


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount small disks."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"a small disk needs mount(8), and root: {done.stderr.strip()}")
        mounted.append(place)
        return place

    if not ROOT or shutil.which("mount") is None:
        pytest.skip("a small disk needs mount(8), and root")
    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, *options: str) -> None:
    subprocess.run(["mount", "-o", ",".join(["remount", *options]), str(place)], check=True)


def test_a_disk_that_is_read_only(used: Path, disk: Callable[[str], Path]) -> None:
    place = disk("4m")
    path = place / "journal"
    shutil.copy(used, path)
    remount(place, "ro")
    text = refused(path)
    assert "it cannot be" in text
    assert "writable" in text or "opened" in text


@pytest.mark.parametrize("room", [0, 4096, 20_000, 60_000, 120_000, 250_000])
def test_a_full_disk_ends_the_run_and_with_room_it_goes_on(
    own: Callable[..., Any], folder: Path, disk: Callable[[str], Path], room: int
) -> None:
    face, emulator, extraction_id = own()
    for number in range(60):
        (folder / f"more-{number}.pdf").write_bytes(b"%%PDF more %d" % number)
    files = sorted(folder.iterdir())
    place = disk("16m")  # more than the log grows to
    journal = place / "journal"
    run(face, extraction_id, files[:1], journal)
    filler = place / "filler"
    with filler.open("wb") as stream:
        left = os.statvfs(place)
        stream.write(bytes(max(left.f_bavail * left.f_frsize - room, 0)))
    with pytest.raises(JournalError) as caught:
        run(face, extraction_id, files, journal, max_files_per_batch=1)
    assert "the disk is full" in str(caught.value) or "No space left" in str(caught.value)
    # What was paid is in the journal, or will be looked for: never more than what is being sent.
    filler.unlink()
    paid = sum((uploaded(emulator) - BEFORE).values())
    with Journal(journal) as read:
        read.check()
        stands = read.status()
    assert paid <= stands["finished"] + stands["uploaded"] + stands["uploading"]
    results = run(face, extraction_id, files, journal, max_files_per_batch=1)
    assert names(results) == sorted(path.name for path in files)
    assert uploaded(emulator) == once(*((p.name, p.read_bytes()) for p in files)) + BEFORE


def test_a_power_loss_at_any_moment_leaves_a_journal_to_go_on_with(
    extracta_client: Client,
    extracta_emulator: Emulator,
    extraction_id: str,
    folder: Path,
    journal: Path,
) -> None:
    """It leaves the file and its log, without the index that is in memory, nor what is locked."""
    extracta_client.extractions.upload(extraction_id, ("before.txt", b"before"))
    extracta_emulator.faults.add("uploadFiles", delay=0.03, times=None)
    for number in range(80):
        (folder / f"more-{number}.pdf").write_bytes(b"%%PDF more %d" % number)
    wanted = once(*((path.name, path.read_bytes()) for path in folder.iterdir())) + BEFORE
    chance, states, cut = random.Random(3), set(), 0
    for lives in range(40):
        worker = work(extracta_emulator, extraction_id, folder, journal)
        seen = len(extracta_emulator.requests())
        hold(lambda: worker.poll() is not None or len(extracta_emulator.requests()) > seen)  # noqa: B023
        time.sleep(chance.uniform(0.0, 0.3))
        worker.send_signal(signal.SIGSTOP)
        kept = journal.with_name(f"{journal.name}-after-{lives}")
        for end in ("", "-wal"):
            source = journal.with_name(journal.name + end)
            if source.exists():
                shutil.copy(source, kept.with_name(kept.name + end))
        ended = worker.poll() is not None
        worker.kill()
        worker.communicate()
        log = kept.with_name(kept.name + "-wal")
        if log.exists():
            # Also where the end of the log did not reach the disk, what is left is a journal.
            torn = kept.with_name("torn")
            shutil.copy(kept, torn)
            content = log.read_bytes()
            torn.with_name("torn-wal").write_bytes(content[: chance.randrange(len(content) + 1)])
            with Journal(torn) as read:
                read.check()
            cut += 1
            for left in torn.parent.glob("torn*"):
                left.unlink()
        journal = kept
        with Journal(journal) as read:
            read.check()
            states.add(tuple(read.status().values()))
        if ended:
            break
    assert worker.returncode == 0
    assert len(states) > 3
    assert cut > 3
    with Journal(journal) as read:
        assert read.status()["finished"] == 87
    assert uploaded(extracta_emulator) == wanted
