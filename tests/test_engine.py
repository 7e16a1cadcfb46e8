"""Submit, check, fetch: steps of task queues, each of which may run in another process."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_tools import hold

from extracta_rs import (
    AuthenticationError,
    BadRequestError,
    BatchRef,
    Client,
    Journal,
    NotFoundError,
    UploadOutcomeUnknownError,
    original_name,
)
from extracta_rs.testing import Emulator, Request

FILE = ("a.pdf", b"%PDF")
LABEL = "dag.task.manual__2026-11-25T09:30:00+00:00"
QUICK = {"settle_time": 0.2}


def sent(emulator: Emulator, endpoint: str) -> list[Request]:
    """Return the requests to an endpoint that took effect."""
    return [
        request
        for request in emulator.requests()
        if request.endpoint == endpoint and request.carried_out
    ]


def uploads(emulator: Emulator) -> int:
    return len(sent(emulator, "uploadFiles"))


def looks(emulator: Emulator) -> int:
    return len(sent(emulator, "getBatchResults")) + len(sent(emulator, "viewExtraction"))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "tasks.journal"


def test_the_three_steps(face: Any, extraction_id: str, extracta_emulator: Emulator) -> None:
    token = face("submit", extraction_id, [FILE, ("b.pdf", b"b")])
    assert json.loads(token)["id"] == extraction_id
    assert len(token) < 200
    assert extracta_emulator.api_key not in token
    status = face("check", token)
    assert status.finished
    assert (status.token, status.files, status.done, status.failed) == (token, 2, 2, 0)
    assert (status.retry_after, status.age, status.problem) == (0.0, 0.0, None)
    before = looks(extracta_emulator)
    results = face("fetch", token)
    assert [file.file_name for file in results] == ["a.pdf", "b.pdf"]
    assert results.finished
    # The look had brought them; a second time they are asked for.
    assert looks(extracta_emulator) == before
    assert face("fetch", token).to_dict() == results.to_dict()
    assert looks(extracta_emulator) == before + 1


def test_the_steps_on_a_classification(
    face: Any, extracta_client: Client, journal: Path, extracta_emulator: Emulator
) -> None:
    kinds = [{"name": "invoice", "description": "i", "uniqueWords": ["total"]}]
    made = extracta_client.classifications.create("Kinds", document_types=kinds)
    submit = "classifications.submit"
    options = {"idempotency_label": LABEL, "journal": journal, **QUICK}
    token = face(submit, made.classification_id, FILE, **options)
    assert face(submit, made.classification_id, FILE, **options) == token
    assert len(sent(extracta_emulator, "documentClassification/uploadFiles")) == 1
    assert face("check", token).finished
    assert face("fetch", token).classification_id == made.classification_id


def test_every_step_may_run_in_another_client(
    connect: Callable[..., Any], extraction_id: str
) -> None:
    token = connect()("submit", extraction_id, FILE)
    assert connect()("check", token).finished
    assert len(connect()("fetch", token)) == 1


def test_a_second_submit_finds_the_first_in_the_journal(
    face: Any, extraction_id: str, journal: Path, extracta_emulator: Emulator
) -> None:
    options = {"idempotency_label": LABEL, "journal": journal, **QUICK}
    token = face("submit", extraction_id, FILE, **options)
    asked = len(extracta_emulator.requests())
    assert face("submit", extraction_id, FILE, **options) == token
    # What was generated anew is the same task's work.
    assert face("submit", extraction_id, ("c.pdf", b"other"), **options) == token
    assert len(extracta_emulator.requests()) == asked
    options["idempotency_label"] = "another"
    assert face("submit", extraction_id, FILE, **options) != token
    assert uploads(extracta_emulator) == 2


def test_a_second_submit_finds_the_first_at_the_service(
    connect: Callable[..., Any], extraction_id: str, extracta_emulator: Emulator
) -> None:
    options = {"idempotency_label": LABEL, **QUICK}
    token = connect()("submit", extraction_id, FILE, first_try=True, **options)
    assert connect()("submit", extraction_id, FILE, **options) == token
    other = connect()("submit", extraction_id, FILE, **{**options, "idempotency_label": "b"})
    assert other != token
    assert connect()("submit", extraction_id, FILE, **options) == token
    assert uploads(extracta_emulator) == 2
    (name,) = [file.file_name for file in connect()("fetch", token)]
    assert name.startswith("xr-")
    assert LABEL not in name
    assert original_name(name) == "a.pdf"


def test_the_mark_stands_before_the_last_part_of_a_name(face: Any, extraction_id: str) -> None:
    files = [("2026/11/a.pdf", b"1"), ("2026\\b.pdf", b"2")]
    token = face("submit", extraction_id, files, idempotency_label=LABEL, first_try=True, **QUICK)
    assert [original_name(file.file_name) for file in face("fetch", token)] == ["a.pdf", "b.pdf"]
    assert original_name("xr-invoice.pdf") == "xr-invoice.pdf"
    assert original_name("ä" * 30) == "ä" * 30


def test_without_a_list_of_batches_nothing_is_uploaded(
    face: Any, extraction_id: str, extracta_emulator: Emulator
) -> None:
    with pytest.raises(UploadOutcomeUnknownError, match="first_try") as caught:
        face("submit", extraction_id, FILE, idempotency_label=LABEL, **QUICK)
    assert caught.value.extraction_id == extraction_id
    assert [original_name(name) for name in caught.value.file_names] == ["a.pdf"]
    assert caught.value.retry_after is None
    assert uploads(extracta_emulator) == 0


def test_batches_of_others_leave_it_open_unless_the_service_keeps_names(
    face: Any, extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    extracta_client.extractions.upload(extraction_id, FILE)
    with pytest.raises(UploadOutcomeUnknownError):
        face("submit", extraction_id, FILE, idempotency_label=LABEL, **QUICK)
    # A batch of fewer files cannot be it.
    pair = [FILE, ("b.pdf", b"b")]
    token = face("submit", extraction_id, pair, idempotency_label="pair", **QUICK)
    # That one shows that names are kept as they were sent.
    assert face("submit", extraction_id, FILE, idempotency_label=LABEL, **QUICK) != token
    assert uploads(extracta_emulator) == 3


@pytest.mark.parametrize("journaled", [True, False], ids=["journal", "service"])
def test_an_upload_whose_answer_was_lost_is_found_at_once(
    face: Any, extraction_id: str, journal: Path, journaled: bool, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("uploadFiles", cut="after")
    options = {"journal": journal} if journaled else {"first_try": True}
    token = face("submit", extraction_id, FILE, idempotency_label=LABEL, **options, **QUICK)
    assert face("check", token).finished
    assert uploads(extracta_emulator) == 1


@pytest.mark.parametrize("journaled", [True, False], ids=["journal", "service"])
def test_a_worker_that_died_behind_its_upload_is_found_by_the_next(
    extraction_id: str,
    journal: Path,
    journaled: bool,
    extracta_emulator: Emulator,
    start: Callable[..., subprocess.Popen[str]],
    end: Callable[..., str],
) -> None:
    place = extracta_emulator.base_url, extracta_emulator.api_key, extraction_id
    extracta_emulator.faults.add("uploadFiles", delay=60)
    process = start("submit.py", *place, LABEL, journal if journaled else "first")
    hold(lambda: uploads(extracta_emulator) == 1)
    process.send_signal(signal.SIGKILL)
    assert process.communicate(timeout=20)[0] == ""
    extracta_emulator.faults.clear()
    token = end(start("submit.py", *place, LABEL, journal if journaled else "-")).strip()
    (upload,) = sent(extracta_emulator, "uploadFiles")
    assert json.loads(token)["batchId"] == upload.batch_id


def test_a_worker_that_died_before_its_upload_is_followed_by_one_upload(
    extraction_id: str,
    journal: Path,
    extracta_client: Client,
    extracta_emulator: Emulator,
    start: Callable[..., subprocess.Popen[str]],
    end: Callable[..., str],
) -> None:
    # Something that the service lists, so that an absence can be told.
    extracta_client.extractions.upload(extraction_id, ("old.pdf", b"o"))
    place = extracta_emulator.base_url, extracta_emulator.api_key, extraction_id
    extracta_emulator.faults.add("uploadFiles", delay=60, status=500)
    process = start("submit.py", *place, LABEL, journal)

    def tried() -> int:
        return len([r for r in extracta_emulator.requests() if r.endpoint == "uploadFiles"])

    hold(lambda: tried() == 2)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
    extracta_emulator.faults.clear()
    token = end(start("submit.py", *place, LABEL, journal)).strip()
    assert json.loads(token)["batchId"] == sent(extracta_emulator, "uploadFiles")[-1].batch_id
    assert uploads(extracta_emulator) == 2


def test_two_workers_at_once_upload_once(
    extraction_id: str,
    journal: Path,
    extracta_emulator: Emulator,
    start: Callable[..., subprocess.Popen[str]],
    end: Callable[..., str],
) -> None:
    extracta_emulator.faults.add("uploadFiles", delay=0.5)
    place = extracta_emulator.base_url, extracta_emulator.api_key, extraction_id
    workers = [start("submit.py", *place, LABEL, journal) for _ in range(3)]
    assert len({end(worker) for worker in workers}) == 1
    assert uploads(extracta_emulator) == 1


@pytest.mark.parametrize("journaled", [True, False], ids=["journal", "service"])
def test_what_cannot_be_read_yet_is_for_a_later_try(
    kind: str, tmp_path: Path, journaled: bool, connect: Callable[..., Any]
) -> None:
    with Emulator(processing_time=3600) as slow:
        face = connect(base_url=slow.base_url, api_key=slow.api_key)
        made = face("extractions.create", "T", fields=[{"key": "a", "description": "a"}])
        slow.faults.add("uploadFiles", cut="after")
        options = {"journal": tmp_path / "j"} if journaled else {"first_try": True}
        options |= {"idempotency_label": LABEL, "settle_time": 0.1, "timeout": 2.0}
        for _ in range(2):
            with pytest.raises(UploadOutcomeUnknownError, match="submit again later") as caught:
                face("submit", made.extraction_id, FILE, **options)
            assert caught.value.retry_after is not None
            options.pop("first_try", None)
        assert uploads(slow) == 1


def test_a_refused_upload_frees_the_label(
    face: Any, extraction_id: str, journal: Path, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("uploadFiles", status=400)
    options = {"idempotency_label": LABEL, "journal": journal, **QUICK}
    with pytest.raises(BadRequestError):
        face("submit", extraction_id, FILE, **options)
    with Journal(journal) as opened:
        assert opened.status()["refused"] == 1
    assert face("submit", extraction_id, FILE, **options)
    assert uploads(extracta_emulator) == 1


@pytest.mark.parametrize(
    ("files", "options", "kind_of", "text"),
    [
        (FILE, {"idempotency_label": " "}, ValueError, "empty"),
        (FILE, {"idempotency_label": 7}, TypeError, "int"),
        (FILE, {"journal": "j"}, ValueError, "idempotency_label"),
        ([FILE, ("x/a.pdf", b"")], {"idempotency_label": "l"}, ValueError, "'?a.pdf"),
        (FILE, {"idempotency_label": "l", "timeout": 1, "settle_time": 2}, ValueError, "timeout"),
        (FILE, {"idempotency_label": "l", "settle_time": -1}, ValueError, "settle_time"),
        ([], {"idempotency_label": "l", "first_try": True}, ValueError, "no files"),
        ([], {"idempotency_label": "l", "settle_time": 0.0}, ValueError, "no files"),
    ],
)
def test_wrong_arguments_of_submit(
    face: Any,
    extraction_id: str,
    extracta_emulator: Emulator,
    files: Any,
    options: dict[str, Any],
    kind_of: type[Exception],
    text: str,
) -> None:
    asked = len(extracta_emulator.requests())
    with pytest.raises(kind_of, match=text):
        face("submit", extraction_id, files, **options)
    assert len(extracta_emulator.requests()) == asked


def test_wrong_tokens(face: Any, extraction_id: str) -> None:
    for step in ("check", "fetch"):
        with pytest.raises(ValueError, match="token"):
            face(step, "{}")
        with pytest.raises(NotFoundError):
            face(step, BatchRef(extraction_id=extraction_id, batch_id="-Onone"))


def test_a_wrong_key_is_raised(connect: Callable[..., Any], extraction_id: str) -> None:
    token = connect()("submit", extraction_id, FILE)
    with pytest.raises(AuthenticationError):
        connect(api_key="another-key")("check", token)
