"""Runs with a journal: nothing is uploaded twice, everything is accounted for, on both faces."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import (
    AsyncClient,
    AuthenticationError,
    Client,
    ClientClosedError,
    Journal,
    NotFoundError,
    RunIncompleteError,
    UploadFile,
    sign,
    unwrap,
)
from extracta_rs.testing import Emulator

UPLOAD, VIEW, POLL = "uploadFiles", "viewExtraction", "getBatchResults"
QUICK: dict[str, Any] = {"poll_interval": 0.02, "max_poll_interval": 0.1, "settle_time": 0.3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 25 documents."""
    place = tmp_path / "documents"
    place.mkdir()
    for number in range(25):
        (place / f"{number:02}.pdf").write_bytes(b"%PDF" + str(number).encode())
    return place


@pytest.fixture
def journal(either_journal: str) -> str:
    """In a file and in a database in turn."""
    return either_journal


@pytest.fixture
def seeded(extraction_id: str, extracta_client: Client) -> str:
    """An extraction that has a batch already, so that its view shows batches."""
    extracta_client.extractions.upload(extraction_id, ("before.pdf", b"%PDF"))
    return extraction_id


def run(face: Any, extraction_id: str, files: Any, journal: Any, **options: Any) -> list[Any]:
    return list(
        face("extractions.run_many", extraction_id, files, journal=journal, **{**QUICK, **options})
    )


def incomplete(face: Any, *args: Any, **options: Any) -> RunIncompleteError:
    with pytest.raises(RunIncompleteError) as caught:
        run(face, *args, **options)
    return caught.value


def sent(emulator: Emulator) -> Counter[str | None]:
    """Count the uploads of each name that were carried out."""
    return Counter(
        part.file_name
        for request in emulator.requests()
        if request.endpoint == UPLOAD and request.carried_out
        for part in request.parts
        if part.file_name not in (None, "before.pdf")
    )


def names(found: list[Any]) -> list[str | None]:
    return sorted(file.file_name for results in found for file in results)


def test_a_folder_is_uploaded_once_and_its_results_come_from_the_journal_then(
    face: Any, extraction_id: str, folder: Path, journal: str, extracta_emulator: Emulator
) -> None:
    files = sorted(folder.iterdir())
    found = run(face, extraction_id, files, journal, max_files_per_batch=10)
    assert names(found) == [path.name for path in files]
    assert sorted(len(results) for results in found) == [5, 10, 10]
    assert not any(results.from_journal for results in found)
    for results in found:
        for file in results:
            document = results.document_of(file)
            assert document is not None
            assert document.path == str(folder / str(file.file_name))
    before = Counter(request.endpoint for request in extracta_emulator.requests())
    assert before[UPLOAD] == 3

    again = run(face, extraction_id, files, journal)
    assert {r.batch_id: r.to_dict() for r in again} == {r.batch_id: r.to_dict() for r in found}
    assert all(results.from_journal for results in again)
    after = Counter(request.endpoint for request in extracta_emulator.requests())
    assert after - before == Counter({VIEW: 1})


def test_a_moved_folder_is_the_same_and_a_changed_file_is_new(
    face: Any, extraction_id: str, folder: Path, journal: str, extracta_emulator: Emulator
) -> None:
    run(face, extraction_id, sorted(folder.iterdir()), journal)
    moved = folder.with_name("moved")
    shutil.move(folder, moved)
    run(face, extraction_id, sorted(moved.iterdir()), journal)
    assert set(sent(extracta_emulator).values()) == {1}
    (moved / "03.pdf").write_bytes(b"%PDF another")
    run(face, extraction_id, sorted(moved.iterdir()), journal)
    assert sent(extracta_emulator)["03.pdf"] == 2
    assert sum(sent(extracta_emulator).values()) == 26


def test_files_of_every_kind_and_the_same_one_twice(
    face: Any, extraction_id: str, tmp_path: Path, journal: str, extracta_emulator: Emulator
) -> None:
    def files() -> Iterator[Any]:
        (tmp_path / "ä ö.pdf").write_bytes(b"%PDF1")
        yield tmp_path / "ä ö.pdf"
        yield str(tmp_path / "ä ö.pdf")
        yield ("bytes.pdf", b"%PDF2")
        yield ("object.pdf", io.BytesIO(b"%PDF3"))
        yield UploadFile("named.bin", b"%PDF4", "application/pdf")

    for _ in range(2):
        found = run(face, extraction_id, files(), journal)
        assert names(found) == sorted(["ä ö.pdf", "bytes.pdf", "object.pdf", "named.bin"])
    assert set(sent(extracta_emulator).values()) == {1}


def test_equal_names_are_not_put_into_one_batch(
    face: Any, extraction_id: str, tmp_path: Path, journal: str
) -> None:
    files = []
    for number in range(6):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "scan.pdf").write_bytes(str(number).encode())
        files.append(place / "scan.pdf")
    found = run(face, extraction_id, files, journal)
    assert [len(results) for results in found] == [1] * 6
    paths = {results.document_of(results.files[0]).path for results in found}
    assert paths == {str(path) for path in files}


def test_what_cannot_be_read_is_told_of_and_the_rest_goes_on(
    face: Any, extraction_id: str, folder: Path, journal: str
) -> None:
    class Stream(io.RawIOBase):
        def seekable(self) -> bool:
            return False

        def read(self, size: int = -1) -> bytes:
            return b""

    files = [folder / "00.pdf", folder / "missing.pdf", folder, ("s.pdf", Stream())]
    with pytest.raises(RunIncompleteError) as caught:
        run(face, extraction_id, files, journal)
    error = caught.value
    assert not error.unknown
    assert {document.name for document in error.failed} == {"missing.pdf", "documents", "s.pdf"}
    assert "missing.pdf" in str(error)
    with Journal(journal) as opened:
        assert opened.status()["finished"] == 1


def test_nothing_to_do_is_no_error(face: Any, extraction_id: str, journal: str) -> None:
    assert run(face, extraction_id, [], journal) == []


def test_of_a_refused_batch_each_document_is_tried_alone(
    face: Any, seeded: str, folder: Path, journal: str, extracta_emulator: Emulator
) -> None:
    # The batch of three, then the second of them.
    extracta_emulator.faults.add(UPLOAD, status=413)
    files = sorted(folder.iterdir())[:3]
    assert names(run(face, seeded, files, journal, concurrency=1)) == [p.name for p in files]

    more = sorted(folder.iterdir())[3:4]
    extracta_emulator.faults.add(UPLOAD, status=422, body='{"message": "not a document"}')
    error = incomplete(face, seeded, more, journal)
    (document,) = error.failed
    assert (document.name, document.path) == (more[0].name, str(more[0]))
    assert "not a document" in document.reason
    with Journal(journal) as opened:
        (refused,) = opened.documents("refused")
        assert "not a document" in (refused.note or "")
    # The next run tries again.
    assert names(run(face, seeded, more, journal)) == [more[0].name]
    assert set(sent(extracta_emulator).values()) == {1}


@pytest.mark.parametrize("endpoint", [UPLOAD, VIEW])
def test_a_wrong_key_ends_the_run(
    face: Any, seeded: str, folder: Path, journal: str, extracta_emulator: Emulator, endpoint: str
) -> None:
    extracta_emulator.faults.add(endpoint, status=401, times=None)
    with pytest.raises(AuthenticationError):
        run(face, seeded, sorted(folder.iterdir()), journal)
    extracta_emulator.faults.clear()
    assert len(names(run(face, seeded, sorted(folder.iterdir()), journal))) == 25
    assert set(sent(extracta_emulator).values()) == {1}


def test_an_extraction_that_is_not_there_ends_the_run(
    face: Any, folder: Path, journal: str, extracta_emulator: Emulator
) -> None:
    with pytest.raises(NotFoundError):
        run(face, "-OAnone", folder / "00.pdf", journal)
    assert not sent(extracta_emulator)


@pytest.mark.parametrize(
    "fault", [{"status": 429, "retry_after": 0}, {"status": 503, "retry_after": 0}]
)
def test_a_busy_service_is_waited_for(
    face: Any,
    seeded: str,
    folder: Path,
    journal: str,
    extracta_emulator: Emulator,
    fault: dict[str, Any],
) -> None:
    extracta_emulator.faults.add(UPLOAD, times=4, **fault)
    files = [folder / "00.pdf"]
    assert names(run(face, seeded, files, journal)) == ["00.pdf"]
    assert sent(extracta_emulator) == Counter(["00.pdf"])


def test_a_lost_upload_that_was_carried_out_is_found(
    face: Any, seeded: str, folder: Path, journal: str, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add(UPLOAD, cut="after", times=2)
    files = sorted(folder.iterdir())
    found = run(face, seeded, files, journal, max_files_per_batch=5)
    assert names(found) == [path.name for path in files]
    assert set(sent(extracta_emulator).values()) == {1}


def test_a_lost_upload_that_was_not_carried_out_is_sent_again(
    face: Any, seeded: str, folder: Path, journal: str, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add(UPLOAD, cut="before", times=2)
    files = sorted(folder.iterdir())
    started = time.monotonic()
    found = run(face, seeded, files, journal, max_files_per_batch=5)
    assert time.monotonic() - started >= QUICK["settle_time"]
    assert names(found) == [path.name for path in files]
    assert set(sent(extracta_emulator).values()) == {1}


@pytest.mark.parametrize("cut", ["before", "after"])
def test_what_cannot_be_decided_is_reported_and_never_sent_again(
    face: Any, seeded: str, folder: Path, journal: str, extracta_emulator: Emulator, cut: Any
) -> None:
    files = sorted(folder.iterdir())[:2]
    run(face, seeded, files[:1], journal)
    extracta_emulator.faults.add(UPLOAD, cut=cut)
    extracta_emulator.faults.add(VIEW, body='{"extractionDetails": {}}', times=None)
    error = incomplete(face, seeded, files, journal)
    assert [document.name for document in error.unknown] == [files[1].name]
    assert "dashboard" in str(error)
    assert sum(sent(extracta_emulator).values()) == 1 + (cut == "after")
    with Journal(journal) as opened:
        assert opened.status()["unknown"] == 1
    # Once the service tells, the next run decides it.
    extracta_emulator.faults.clear()
    assert names(run(face, seeded, files, journal)) == [path.name for path in files]
    assert set(sent(extracta_emulator).values()) == {1}


def test_an_upload_of_somebody_else_makes_absence_undecidable(
    face: Any, seeded: str, folder: Path, journal: str, extracta_client: Client,
    extracta_emulator: Emulator,
) -> None:  # fmt: skip
    """It may be ours, under a name that the service changed."""
    files = sorted(folder.iterdir())[:2]
    run(face, seeded, files[:1], journal)
    extracta_emulator.faults.add(UPLOAD, cut="before")
    with Client(
        extracta_emulator.api_key, base_url=extracta_emulator.base_url, min_poll_spacing=0
    ) as client:
        many = client.extractions.run_many(seeded, files[1:], journal=journal, **QUICK)
        # The upload is lost; before its absence counts, somebody uploads one file, too.
        while extracta_emulator.faults.pending():
            time.sleep(0.002)
        extracta_client.extractions.upload(seeded, ("other.pdf", b"%PDF"))
        with pytest.raises(RunIncompleteError) as caught:
            list(many)
    assert [document.name for document in caught.value.unknown] == [files[1].name]
    assert sent(extracta_emulator)[files[1].name] == 0
    # It is for the user to say: then it is uploaded.
    with Journal(journal) as opened:
        assert opened.retry(unknown=True) == 1
    assert names(run(face, seeded, files, journal)) == [path.name for path in files]
    assert sent(extracta_emulator)[files[1].name] == 1


@pytest.mark.extracta_emulator(processing_time=3600)
def test_the_timeout_of_a_run_and_another_run(
    face: Any, seeded: str, folder: Path, journal: str, extracta_emulator: Emulator
) -> None:
    files = sorted(folder.iterdir())
    error = incomplete(face, seeded, files, journal, timeout=1.0)
    assert error.timed_out
    assert "same journal" in str(error)
    with Journal(journal) as opened:
        assert opened.status()["uploaded"] == 25
    error = incomplete(face, seeded, files, journal, timeout=0.3)
    assert error.timed_out
    assert set(sent(extracta_emulator).values()) == {1}


@pytest.mark.extracta_emulator(processing_time=3600)
def test_close_and_a_closed_client_stop_a_run(
    seeded: str, folder: Path, journal: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    files = sorted(folder.iterdir())
    first = extracta_client.extractions.run_many(seeded, files, journal=journal, **QUICK)
    ended: list[Any] = []
    thread = threading.Thread(target=lambda: ended.extend(first))
    thread.start()
    while sum(sent(extracta_emulator).values()) < 25:
        time.sleep(0.01)
    first.close()
    thread.join(10)
    assert not thread.is_alive()
    assert ended == []

    settings = {"base_url": extracta_emulator.base_url, "min_poll_spacing": 0}
    client = Client(extracta_emulator.api_key, **settings)
    second = client.extractions.run_many(seeded, files, journal=journal, **QUICK)
    client.close()
    with pytest.raises(ClientClosedError):
        next(second)
    assert set(sent(extracta_emulator).values()) == {1}


@pytest.mark.extracta_emulator(processing_time=0.4)
def test_a_run_that_was_broken_off_is_continued(
    face: Any, seeded: str, folder: Path, journal: str, extracta_emulator: Emulator
) -> None:
    files = sorted(folder.iterdir())
    client = face.client

    async def one() -> None:
        async for _results in client.extractions.run_many(
            seeded, files, journal=journal, max_files_per_batch=2, **QUICK
        ):
            break

    if isinstance(client, AsyncClient):
        asyncio.run(one())
    else:
        for _results in client.extractions.run_many(
            seeded, files, journal=journal, max_files_per_batch=2, **QUICK
        ):
            break
    found = run(face, seeded, files, journal)
    assert names(found) == [path.name for path in files]
    assert set(sent(extracta_emulator).values()) == {1}


@pytest.mark.extracta_emulator(processing_time=3600)
def test_cancelling_stops_the_step_and_the_run_goes_on(
    seeded: str, folder: Path, journal: str, extracta_async_client: AsyncClient
) -> None:
    client = extracta_async_client

    async def main() -> None:
        run = client.extractions.run_many(seeded, folder / "00.pdf", journal=journal, **QUICK)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await anext(run)
        with Journal(journal) as opened:
            assert opened.status()["uploaded"] == 1
        await run.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(run)

    asyncio.run(main())


@pytest.mark.extracta_emulator(processing_time=0.3)
def test_two_runs_at_once_share_the_work(
    seeded: str, folder: Path, journal: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    files = sorted(folder.iterdir())
    options = {**QUICK, "max_files_per_batch": 2}
    found: list[list[Any]] = [[], []]

    def work(place: int) -> None:
        many = extracta_client.extractions.run_many(seeded, files, journal=journal, **options)
        found[place] = list(many)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for results in found:
        assert names(results) == [path.name for path in files]
    assert set(sent(extracta_emulator).values()) == {1}


@pytest.mark.extracta_emulator(fail_files=["01.pdf", "02.pdf"])
def test_failed_files_are_finished_and_can_be_freed(
    face: Any, seeded: str, folder: Path, journal: str, extracta_emulator: Emulator
) -> None:
    files = sorted(folder.iterdir())[:4]
    found = run(face, seeded, files, journal)
    failed = sorted(str(file.file_name) for results in found for file in results.failed)
    assert failed == ["01.pdf", "02.pdf"]
    run(face, seeded, files, journal)
    with Journal(journal) as opened:
        with pytest.raises(ValueError, match="nothing to retry"):
            opened.retry()
        assert opened.retry(unknown=True) == 0
        assert opened.retry(failed=True) == 2
        assert opened.status()["planned"] == 2
    run(face, seeded, files, journal)
    uploads = sent(extracta_emulator)
    assert uploads == Counter({"00.pdf": 1, "03.pdf": 1, "01.pdf": 2, "02.pdf": 2})


@pytest.mark.extracta_emulator(processing_time=3600)
def test_a_webhook_ends_the_wait_of_a_run(
    seeded: str, folder: Path, journal: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    slow = {"poll_interval": 3600, "max_poll_interval": 3600}
    run = extracta_client.extractions.run_many(seeded, folder / "00.pdf", journal=journal, **slow)
    with Journal(journal) as opened:
        while not opened.status()["uploaded"]:
            time.sleep(0.01)
    upload = next(r for r in reversed(extracta_emulator.requests()) if r.endpoint == UPLOAD)
    file = {
        "extractionId": seeded,
        "batchId": upload.batch_id,
        "fileId": upload.file_ids[0],
        "fileName": "00.pdf",
        "status": "processed",
        "result": {"total": "1"},
    }
    body = json.dumps({"event": "extraction.processed", "result": [file]}, separators=(",", ":"))
    event = unwrap(body, sign(body, "s"), "s")
    while not extracta_client.deliver(event):
        time.sleep(0.01)
    assert next(run).files[0].to_dict() == file
    assert next(run, None) is None
    with Journal(journal) as opened:
        assert [results.files[0].to_dict() for results in opened.results()] == [file]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"max_files_per_batch": 0}, "max_files_per_batch"),
        ({"settle_time": -1}, "settle_time"),
        ({"timeout": -1}, "timeout"),
        ({"backoff": 0.5}, "backoff"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_sent(
    face: Any, seeded: str, folder: Path, journal: str, options: dict[str, Any], error: str,
    extracta_emulator: Emulator,
) -> None:  # fmt: skip
    with pytest.raises(ValueError, match=error):
        run(face, seeded, folder / "00.pdf", journal, **options)
    assert not sent(extracta_emulator)


def test_a_large_folder(
    seeded: str, tmp_path: Path, journal: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    place = tmp_path / "many"
    place.mkdir()
    for number in range(2000):
        (place / f"{number}.pdf").write_bytes(str(number).encode())
    files = list(place.iterdir())
    found = list(
        extracta_client.extractions.run_many(
            seeded, files, journal=journal, max_files_per_batch=50, **QUICK
        )
    )
    assert sum(len(results) for results in found) == 2000
    assert sum(sent(extracta_emulator).values()) == 2000
