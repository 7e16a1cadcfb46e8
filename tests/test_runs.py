"""`run_many` on both faces: it goes on where it stopped, and pays for nothing twice."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import sqlite3
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extracta_rs import (
    AsyncClient,
    AuthenticationError,
    Client,
    ClientClosedError,
    Journal,
    JournalError,
    NotFoundError,
    RunIncompleteError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Face

    from extracta_rs.testing import Emulator

FAST = {"poll_interval": 0.01, "max_poll_interval": 0.05, "settle_time": 0.3}


def fill(folder: Path, count: int) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.pdf" for number in range(count)]
    for path in paths:
        path.write_bytes(b"%PDF " + path.name.encode())
    return paths


def uploaded(emulator: Emulator) -> Counter[str | None]:
    """Count what was carried out, by file name."""
    return Counter(
        part.file_name
        for request in emulator.requests()
        if request.endpoint == "uploadFiles" and request.carried_out
        for part in request.parts
        if part.file_name
    )


def run(face: Face, extraction_id: str, files: Any, journal: Any, **options: Any) -> list[Any]:
    found: list[Any] = face(
        "extractions.run_many", extraction_id, files, journal=journal, **{**FAST, **options}
    )
    return found


def names(results: list[Any]) -> list[str]:
    return sorted(file.file_name for batch in results for file in batch)


def test_a_second_run_comes_from_the_journal(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    files = fill(tmp_path / "in", 7)
    first = run(face, extraction_id, files, tmp_path / "j", max_files_per_batch=3)
    assert names(first) == [path.name for path in files]
    assert not any(batch.from_journal for batch in first)
    before = len(extracta_emulator.requests())
    shutil.move(tmp_path / "in", tmp_path / "moved")
    moved = sorted((tmp_path / "moved").iterdir())
    again = run(face, extraction_id, [*moved, moved[0]], tmp_path / "j")
    assert names(again) == names(first)
    assert all(batch.from_journal for batch in again)
    sent = [request.endpoint for request in extracta_emulator.requests()[before:]]
    assert set(sent) == {"viewExtraction"}
    assert {document.path for batch in again for document in batch.documents} == set(
        map(str, moved)
    )


def test_what_is_new_or_changed_is_uploaded(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    files = fill(tmp_path / "in", 2)
    run(face, extraction_id, files, tmp_path / "j")
    files[0].write_bytes(b"%PDF another content")
    other = tmp_path / "other"
    other.mkdir()
    (other / "1.pdf").write_bytes(b"%PDF of the same name elsewhere")
    run(face, extraction_id, [*files, other / "1.pdf"], tmp_path / "j")
    assert uploaded(extracta_emulator) == {"0.pdf": 2, "1.pdf": 2}


def test_same_names_are_in_different_batches(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    files = [("scan.pdf", b"%PDF one"), ("scan.pdf", b"%PDF two"), ("scan.pdf", b"%PDF one")]
    found = run(face, extraction_id, files, tmp_path / "j")
    assert [len(batch.documents) for batch in found] == [1, 1]
    assert uploaded(extracta_emulator) == {"scan.pdf": 2}


def test_bytes_file_objects_and_any_name(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    given = ["Müller & Söhne №7.pdf", "発票.pdf", "b.pdf"]
    (tmp_path / given[0]).write_bytes(b"%PDF a path")
    stream = io.BytesIO(b"%PDF a stream")
    files = [tmp_path / given[0], (given[1], b"%PDF bytes"), (given[2], stream)]
    assert names(run(face, extraction_id, files, tmp_path / "j")) == sorted(given)
    assert uploaded(extracta_emulator) == dict.fromkeys(given, 1)


def test_a_stream_that_cannot_be_read_twice_is_named(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    class Once(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: Any) -> int:
            raise io.UnsupportedOperation("seek")

    with pytest.raises((RunIncompleteError, ValueError, OSError), match=r"seek|once\.pdf|twice"):
        run(face, extraction_id, [("once.pdf", Once(b"%PDF"))], tmp_path / "j")
    assert not uploaded(extracta_emulator)


def test_an_empty_iterable_is_done_at_once(face: Face, extraction_id: str, tmp_path: Path) -> None:
    assert run(face, extraction_id, iter([]), tmp_path / "j") == []


def test_a_missing_file_does_not_keep_the_others_back(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    files = fill(tmp_path / "in", 3)
    files[1].unlink()
    with pytest.raises((RunIncompleteError, FileNotFoundError)) as caught:
        run(face, extraction_id, files, tmp_path / "j")
    assert "1.pdf" in str(caught.value)
    if isinstance(caught.value, RunIncompleteError):
        assert uploaded(extracta_emulator) == {"0.pdf": 1, "2.pdf": 1}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_the_others_of_a_refused_batch_are_uploaded(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path, status: int
) -> None:
    files = fill(tmp_path / "in", 3)
    # The batch, and then the first that is tried alone.
    extracta_emulator.faults.add("uploadFiles", status=status, times=2)
    with pytest.raises(RunIncompleteError) as caught:
        run(face, extraction_id, files, tmp_path / "j", concurrency=1)
    assert [document.name for document in caught.value.failed] == ["0.pdf"]
    assert not caught.value.unknown
    assert uploaded(extracta_emulator) == {"1.pdf": 1, "2.pdf": 1}
    with Journal(tmp_path / "j") as journal:
        assert (journal.status()["refused"], journal.status()["finished"]) == (1, 2)
        (refused,) = journal.documents("refused")
    assert str(status) in (refused.note or "")
    assert names(run(face, extraction_id, files, tmp_path / "j")) == ["0.pdf", "1.pdf", "2.pdf"]
    assert set(uploaded(extracta_emulator).values()) == {1}


def test_a_wrong_key_or_extraction_ends_the_run(
    connect: Callable[..., Face], extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    files = fill(tmp_path / "in", 1)
    with pytest.raises(AuthenticationError):
        run(connect(api_key="wrong"), extraction_id, files, tmp_path / "j")
    with pytest.raises(NotFoundError):
        run(connect(), "-Onone", files, tmp_path / "j")
    run(connect(), extraction_id, files, tmp_path / "j")
    assert uploaded(extracta_emulator) == {"0.pdf": 1}


def test_429_is_waited_out(
    connect: Callable[..., Face], extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    extracta_emulator.faults.add("uploadFiles", status=429, retry_after=0, times=2)
    run(connect(max_retries=0), extraction_id, fill(tmp_path / "in", 2), tmp_path / "j")
    assert uploaded(extracta_emulator) == {"0.pdf": 1, "1.pdf": 1}


def test_a_lost_answer_is_found_at_the_service(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    extracta_emulator.faults.add("uploadFiles", cut="after")
    found = run(face, extraction_id, fill(tmp_path / "in", 3), tmp_path / "j")
    assert names(found) == ["0.pdf", "1.pdf", "2.pdf"]
    assert set(uploaded(extracta_emulator).values()) == {1}


def test_what_is_surely_not_there_is_uploaded_again(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    # An extraction that never had a batch may hide them: there nothing could be decided.
    run(face, extraction_id, [("first.pdf", b"%PDF")], tmp_path / "j")
    extracta_emulator.faults.add("uploadFiles", cut="before")
    began = time.monotonic()
    run(face, extraction_id, fill(tmp_path / "in", 3), tmp_path / "j")
    assert time.monotonic() - began >= FAST["settle_time"]
    assert set(uploaded(extracta_emulator).values()) == {1}


def test_hidden_batches_leave_it_unknown_until_they_are_shown(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    files = fill(tmp_path / "in", 2)
    shown = {"extractionId": extraction_id, "extractionDetails": {"name": "Invoices"}}
    extracta_emulator.faults.add("viewExtraction", status=200, body=json.dumps(shown), times=None)
    extracta_emulator.faults.add("uploadFiles", cut="after")
    with pytest.raises(RunIncompleteError) as caught:
        run(face, extraction_id, files, tmp_path / "j")
    assert sorted(document.name for document in caught.value.unknown) == ["0.pdf", "1.pdf"]
    assert not caught.value.failed
    with Journal(tmp_path / "j") as journal:
        assert journal.status()["unknown"] == 2
    extracta_emulator.faults.clear()
    assert names(run(face, extraction_id, files, tmp_path / "j")) == ["0.pdf", "1.pdf"]
    assert set(uploaded(extracta_emulator).values()) == {1}


def test_a_batch_of_somebody_else_makes_it_unknown(
    face: Face, extracta_client: Client, extracta_emulator: Emulator, extraction_id: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    files = fill(tmp_path / "in", 1)
    run(face, extraction_id, [("first.pdf", b"%PDF")], tmp_path / "j")
    # It comes while the run is at work: after the look before the upload.
    extracta_emulator.faults.add("uploadFiles", cut="before")
    theirs: list[Any] = []

    def intrude() -> None:
        while extracta_emulator.faults.pending():
            time.sleep(0.01)
        theirs.append(extracta_client.extractions.upload(extraction_id, ("x.pdf", b"%PDF x")))

    thread = threading.Thread(target=intrude)
    thread.start()
    with pytest.raises(RunIncompleteError) as caught:
        run(face, extraction_id, files, tmp_path / "j", settle_time=1.5)
    thread.join()
    assert [document.name for document in caught.value.unknown] == ["0.pdf"]
    with Journal(tmp_path / "j") as journal:
        assert journal.retry(unknown=True) == 1
    assert names(run(face, extraction_id, files, tmp_path / "j")) == ["0.pdf"]
    assert uploaded(extracta_emulator)["0.pdf"] == 1


def test_failing_views_are_waited_out(
    connect: Callable[..., Face], extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    extracta_emulator.faults.add("uploadFiles", cut="after")
    extracta_emulator.faults.add("viewExtraction", status=500, times=2)
    run(connect(max_retries=0), extraction_id, fill(tmp_path / "in", 1), tmp_path / "j")
    assert uploaded(extracta_emulator) == {"0.pdf": 1}


def test_a_timeout_keeps_what_was_uploaded(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    extracta_emulator.faults.add("getBatchResults", status=503, times=None)
    files = fill(tmp_path / "in", 2)
    with pytest.raises(RunIncompleteError) as caught:
        run(face, extraction_id, files, tmp_path / "j", timeout=0.5)
    assert caught.value.timed_out
    extracta_emulator.faults.clear()
    run(face, extraction_id, files, tmp_path / "j")
    assert set(uploaded(extracta_emulator).values()) == {1}


def test_leaving_the_loop_and_closing(
    extracta_client: Client, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    files = fill(tmp_path / "in", 6)
    options: dict[str, Any] = {**FAST, "max_files_per_batch": 1, "journal": tmp_path / "j"}
    iterator = extracta_client.extractions.run_many(extraction_id, files, **options)
    for _ in iterator:
        break
    iterator.close()
    assert list(iterator) == []
    assert len(list(extracta_client.extractions.run_many(extraction_id, files, **options))) == 6
    assert set(uploaded(extracta_emulator).values()) == {1}


def test_a_cancelled_wait_loses_no_result(
    extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    files = fill(tmp_path / "in", 12)

    async def main() -> list[str]:
        found = []
        settings: Any = {"base_url": extracta_emulator.base_url, "min_poll_spacing": 0}
        async with AsyncClient(extracta_emulator.api_key, **settings) as client:
            options: Any = {**FAST, "max_files_per_batch": 1}
            results = client.extractions.run_many(
                extraction_id, files, journal=tmp_path / "j", **options
            )
            while True:
                try:
                    async with asyncio.timeout(0.004):
                        batch = await anext(results)
                except TimeoutError:
                    continue
                except StopAsyncIteration:
                    return found
                found += [str(file.file_name) for file in batch]

    assert set(asyncio.run(main())) <= {path.name for path in files}
    assert set(uploaded(extracta_emulator).values()) == {1}
    with Journal(tmp_path / "j") as journal:
        assert journal.status()["finished"] == 12


def test_a_closed_client_ends_its_runs(
    extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    extracta_emulator.faults.add("getBatchResults", status=503, times=None)
    client = Client(extracta_emulator.api_key, base_url=extracta_emulator.base_url)
    options: Any = FAST
    results = client.extractions.run_many(
        extraction_id, fill(tmp_path / "in", 1), journal=tmp_path / "j", **options
    )
    threading.Timer(0.3, client.close).start()
    with pytest.raises(ClientClosedError):
        next(results)


def test_eight_processes_share_a_new_journal(
    extracta_emulator: Emulator, extraction_id: str, tmp_path: Path, start: Any, end: Any
) -> None:
    fill(tmp_path / "in", 20)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "j")
    given = [extracta_emulator.base_url, extracta_emulator.api_key, extraction_id, tmp_path / "in"]
    runs = [start("run_many.py", *given, journal) for journal in [tmp_path / "j", link] * 4]
    assert {end(run).strip() for run in runs} == {"10"}
    assert set(uploaded(extracta_emulator).values()) == {1}
    assert not list(tmp_path.glob("*-run-*"))


def test_hashes_are_kept_and_changed_files_read_again(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    (path,) = fill(tmp_path / "in", 1)
    # A file touched a moment ago may change again within the same tick of its disk's clock.
    while time.time() - path.stat().st_ctime < 2.1:
        time.sleep(0.1)
    run(face, extraction_id, [path], tmp_path / "j")
    with sqlite3.connect(tmp_path / "j") as journal:
        assert journal.execute("SELECT count(*) FROM hashes").fetchone() == (1,)
    journal.close()
    run(face, extraction_id, [path], tmp_path / "j")
    assert uploaded(extracta_emulator) == {"0.pdf": 1}
    times = path.stat()
    path.write_bytes(b"x" * times.st_size)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    run(face, extraction_id, [path], tmp_path / "j")
    assert uploaded(extracta_emulator) == {"0.pdf": 2}, "of the same size and time, but another"


def test_failed_files_are_retried_when_asked(
    face: Face, extracta_emulator: Emulator, extraction_id: str, tmp_path: Path
) -> None:
    files = fill(tmp_path / "in", 3)
    run(face, extraction_id, files, tmp_path / "j")
    with Journal(tmp_path / "j") as journal:
        assert journal.retry(failed=True) == 0
        with pytest.raises(ValueError, match="nothing to retry"):
            journal.retry()
    run(face, extraction_id, files, tmp_path / "j")
    assert set(uploaded(extracta_emulator).values()) == {1}


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE theirs (a)")
    database.close()
    text = tmp_path / "notes.txt"
    text.write_text("no database " * 500)
    newer = tmp_path / "newer"
    Journal(newer).close()
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    cases = {
        other: "no journal of extracta_rs",
        text: "not an SQLite file",
        newer: "upgrade extracta_rs",
        tmp_path: "a folder",
        tmp_path / "none" / "j": "is the folder there",
    }
    for path, reason in cases.items():
        with pytest.raises(JournalError, match=reason) as caught:
            Journal(path)
        assert caught.value.journal == str(path)
    with pytest.raises(JournalError, match="no such file"):
        Journal(tmp_path / "missing", create=False)
    assert not (tmp_path / "missing").exists()


def test_damage_is_told(face: Face, extraction_id: str, tmp_path: Path) -> None:
    path = tmp_path / "j"
    run(face, extraction_id, fill(tmp_path / "in", 40), path, max_files_per_batch=1)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    whole = path.read_bytes()
    bad = tmp_path / "bad"
    bad.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(JournalError, match="damaged"), Journal(bad) as journal:
        journal.check()
    bad.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JournalError, match="damaged"), Journal(bad) as journal:
        journal.check()
