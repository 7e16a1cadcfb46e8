"""What is sent again, how often and when; and what never is."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import operator
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    BadRequestError,
    Client,
    NotFoundError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from extracta_rs.testing import Emulator

CONTENT = b"%PDF-1.7 " * 50_000
HARMLESS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "credits": ("credits", (), {}),
    "viewExtraction": ("extractions.view", ("x",), {}),
    "updateExtraction": ("extractions.update", ("x",), {"name": "new"}),
    "getBatchResults": ("extractions.results", ("x", "b"), {}),
    "documentClassification/viewClassification": ("classifications.view", ("x",), {}),
    "documentClassification/getResults": ("classifications.results", ("x", "b"), {}),
    "documentClassification/deleteBatch": ("classifications.delete_batch", ("x", "b"), {}),
}
CREATE = ("extractions.create", ("Bills",), {"fields": [{"key": "total"}]})


def calls(emulator: Emulator, endpoint: str) -> list[int | None]:
    """Return the statuses of the answers to the requests to an endpoint."""
    return [r.status for r in emulator.requests() if r.endpoint == endpoint]


@pytest.fixture
def closed_port() -> int:
    """A port of this machine where nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    "fault", [{"status": 429, "retry_after": 0}, {"status": 429}, {"status": 503, "retry_after": 0}]
)
def test_a_refused_upload_is_sent_again_whole(
    fault: dict[str, Any],
    face: Any,
    extraction_id: str,
    extracta_emulator: Emulator,
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(CONTENT)
    extracta_emulator.faults.add("uploadFiles", **fault)
    files = [path, ("b.pdf", CONTENT), ("c.pdf", io.BytesIO(CONTENT))]
    batch = face("extractions.upload", extraction_id, files)
    refused, done = [r for r in extracta_emulator.requests() if r.endpoint == "uploadFiles"]
    assert (refused.status, refused.carried_out) == (fault["status"], False)
    assert (done.status, done.carried_out) == (200, True)
    whole = hashlib.sha256(CONTENT).hexdigest()
    assert [part.sha256 for part in done.parts if part.name == "files"] == [whole] * 3
    assert len(batch.files) == 3
    assert list(face("extractions.view", extraction_id).batches) == [batch.batch_id]


def test_an_object_is_sent_again_from_where_it_stood(
    face: Any, extraction_id: str, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("uploadFiles", status=429, retry_after=0, times=2)
    file = io.BytesIO(b"before" + CONTENT)
    file.seek(6)
    face("extractions.upload", extraction_id, [("a", file), ("b", b"b")])
    sent = [r for r in extracta_emulator.requests() if r.endpoint == "uploadFiles"]
    assert [r.status for r in sent] == [429, 429, 200]
    assert {r.parts[1].sha256 for r in sent} == {hashlib.sha256(CONTENT).hexdigest()}
    assert {r.parts[2].size for r in sent} == {1}


def test_what_cannot_be_rewound_is_not_sent_again(
    face: Any, extraction_id: str, extracta_emulator: Emulator
) -> None:
    class Stream:
        read = io.BytesIO(CONTENT).read

    extracta_emulator.faults.add("uploadFiles", status=429, retry_after=0)
    with pytest.raises(RateLimitError) as raised:
        face("extractions.upload", extraction_id, ("a", Stream()))
    assert raised.value.retry_after == 0
    assert calls(extracta_emulator, "uploadFiles") == [429]


def test_an_upload_is_not_refused_for_ever(
    connect: Any, extraction_id: str, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("uploadFiles", status=429, retry_after=0, times=None)
    with pytest.raises(RateLimitError) as raised:
        connect(max_retries=1)("extractions.upload", extraction_id, ("a", b"a"))
    assert (raised.value.status_code, raised.value.retry_after) == (429, 0)
    assert calls(extracta_emulator, "uploadFiles") == [429, 429]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_an_upload_that_was_refused_for_good_is_no_unknown_outcome(
    status: int, face: Any, extraction_id: str, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("uploadFiles", status=status)
    with pytest.raises(APIError) as raised:
        face("extractions.upload", extraction_id, ("a", b"a"))
    assert raised.value.status_code == status
    assert calls(extracta_emulator, "uploadFiles") == [status]


@pytest.mark.parametrize("call", ["upload", "credits", "create"])
def test_a_refused_connection(call: str, connect: Any, closed_port: int) -> None:
    url = f"http://127.0.0.1:{closed_port}"
    face = connect(base_url=url, max_retries=1 if call == "upload" else 0)
    with pytest.raises(APIConnectionError, match="nothing was sent") as raised:
        if call == "upload":
            face("extractions.upload", "x", ("a", io.BytesIO(CONTENT)))
        elif call == "create":
            face(CREATE[0], *CREATE[1], **CREATE[2])
        else:
            face("credits")
    assert raised.value.request_sent is False
    assert (
        raised.value.path
        == {
            "upload": "/uploadFiles",
            "credits": "/credits",
            "create": "/createExtraction",
        }[call]
    )


@pytest.mark.parametrize("max_retries", [0, 1])
def test_what_does_no_harm_is_sent_again(
    max_retries: int, connect: Any, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("*", status=500, times=None)
    face = connect(max_retries=max_retries)

    def call(endpoint: str) -> None:
        method, arguments, keywords = HARMLESS[endpoint]
        with pytest.raises(ServerError) as raised:
            face(method, *arguments, **keywords)
        assert raised.value.status_code == 500
        assert calls(extracta_emulator, endpoint) == [500] * (1 + max_retries)

    with ThreadPoolExecutor() as pool:
        assert len(list(pool.map(call, HARMLESS))) == len(HARMLESS)


def test_a_passing_failure_is_not_seen(
    connect: Any, extraction_id: str, batch_id: str, extracta_emulator: Emulator
) -> None:
    face = connect(timeout=0.3)
    faults: list[tuple[dict[str, Any], str, str, list[str]]] = [
        ({"status": 408}, "credits", "credits", []),
        ({"status": 502}, "viewExtraction", "extractions.view", [extraction_id]),
        ({"cut": "after"}, "deleteExtraction", "extractions.delete_batch", [extraction_id, "x"]),
        ({"cut": "mid"}, "getBatchResults", "extractions.results", [extraction_id, batch_id]),
        ({"delay": 1}, "updateExtraction", "extractions.update", [extraction_id]),
    ]

    def call(case: tuple[dict[str, Any], str, str, list[str]]) -> None:
        fault, endpoint, method, arguments = case
        extracta_emulator.faults.add(endpoint, **fault)
        face(method, *arguments, **({"name": "new"} if endpoint == "updateExtraction" else {}))
        assert len(calls(extracta_emulator, endpoint)) == 2

    with ThreadPoolExecutor() as pool:
        assert len(list(pool.map(call, faults))) == len(faults)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 500, "carry_out": True}, ServerError),
        ({"status": 503}, ServerError),
        ({"cut": "after"}, APIConnectionError),
        ({"cut": "before"}, APIConnectionError),
        ({"cut": "mid"}, APIConnectionError),
        ({"delay": 1}, APITimeoutError),
        ({"malformed": True}, ResponseFormatError),
    ],
)
def test_create_is_not_sent_again_after_it_may_have_been_carried_out(
    fault: dict[str, Any], error: type[Exception], connect: Any, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("createExtraction", **fault)
    method, arguments, keywords = CREATE
    with pytest.raises(error) as raised:
        connect(timeout=0.3, max_retries=3)(method, *arguments, **keywords)
    assert getattr(raised.value, "request_sent", True)
    assert len(calls(extracta_emulator, "createExtraction")) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_create_is_sent_again_after_it_was_refused(
    status: int, face: Any, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("createExtraction", status=status, retry_after=0)
    method, arguments, keywords = CREATE
    face(method, *arguments, **keywords)
    assert calls(extracta_emulator, "createExtraction") == [status, 200]


@pytest.mark.parametrize(("status", "error"), [(400, BadRequestError), (404, NotFoundError)])
def test_a_mistake_is_not_repeated(
    status: int, error: type[Exception], face: Any, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("credits", status=status, times=None)
    with pytest.raises(error):
        face("credits")
    assert calls(extracta_emulator, "credits") == [status]


def test_a_deletion_whose_answer_was_lost_succeeds(
    face: Any, extraction_id: str, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("deleteExtraction", cut="after")
    assert face("extractions.delete", extraction_id) is None
    assert calls(extracta_emulator, "deleteExtraction") == [None, 404]
    with pytest.raises(NotFoundError):
        face("extractions.delete", extraction_id)


@pytest.mark.parametrize("status", [429, 503])
def test_a_deletion_that_was_only_refused_before_finds_nothing(
    status: int, face: Any, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("deleteExtraction", status=status, retry_after=0)
    with pytest.raises(NotFoundError):
        face("extractions.delete", "x")
    assert calls(extracta_emulator, "deleteExtraction") == [status, 404]


def test_retry_after_is_a_floor(extracta_client: Client, extracta_emulator: Emulator) -> None:
    # A date is whole seconds: the one after next is between one and two seconds away.
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    for endpoint, value in ("credits", 1), ("viewExtraction", date):
        extracta_emulator.faults.add(endpoint, status=429, retry_after=value)

    def gap(endpoint: str) -> float:
        method, arguments, _ = HARMLESS[endpoint]
        with contextlib.suppress(NotFoundError):
            operator.attrgetter(method)(extracta_client)(*arguments)
        first, second = [r.time for r in extracta_emulator.requests() if r.endpoint == endpoint]
        return second - first

    with ThreadPoolExecutor() as pool:
        by_seconds, by_date = pool.map(gap, ["credits", "viewExtraction"])
    assert 0.9 <= by_seconds < 1.5
    assert 0.7 <= by_date < 2.5


@pytest.mark.parametrize("value", ["61", "3600", "1e9"])
def test_a_long_retry_after_is_handed_to_the_caller(
    value: str, face: Any, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("credits", status=429, retry_after=value, times=None)
    with pytest.raises(RateLimitError) as raised:
        face("credits")
    assert raised.value.retry_after == min(float(value), 365 * 24 * 3600)
    assert calls(extracta_emulator, "credits") == [429]


@pytest.mark.parametrize("value", ["-1", "soon", "nan", "", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_an_unusable_retry_after_does_no_harm(
    value: str, connect: Any, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("credits", status=429, retry_after=value, times=None)
    with pytest.raises(RateLimitError) as raised:
        connect(max_retries=0)("credits")
    assert raised.value.retry_after in {None, 0.0}


def test_the_pauses_grow(extracta_client: Client, extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", status=500, times=2)
    extracta_client.credits()
    times = [r.time for r in extracta_emulator.requests()]
    first, second = (later - earlier for earlier, later in itertools.pairwise(times))
    assert 0.25 <= first <= 1.5
    assert 0.5 <= second <= 1.5
