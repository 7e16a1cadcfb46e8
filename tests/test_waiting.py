"""Waiting for one batch: when it asks, what ends it, and what it leaves behind.

Times are real but short. Lower bounds are exact, upper bounds leave room for a busy machine.
"""

from __future__ import annotations

import itertools
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from extracta_rs import (
    APIConnectionError,
    APIError,
    BatchResults,
    ResponseFormatError,
    ServerError,
    WaitTimeoutError,
)
from extracta_rs.testing import Emulator

POLL = "getBatchResults"
ROOM = 1.0
never_done = pytest.mark.extracta_emulator(processing_time=3600)
Polls = Callable[[], list[float]]


@pytest.fixture
def polls(extracta_emulator: Emulator) -> Polls:
    """Return when the emulator was asked for results, in seconds since its start."""
    return lambda: [r.time for r in extracta_emulator.requests() if r.endpoint == POLL]


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.extracta_emulator(polls_until_finished=4)
def test_the_pace(face: Any, extraction_id: str, batch_id: str, polls: Polls) -> None:
    face("credits")
    before = time.monotonic()
    face(
        "extractions.wait",
        extraction_id,
        batch_id,
        poll_interval=timedelta(milliseconds=50),
        max_poll_interval=0.2,
        backoff=2,
    )
    took = time.monotonic() - before
    expected = [0.1, 0.2, 0.2, 0.2]
    found = gaps(polls())
    assert len(found) == len(expected)
    for gap, least in zip(found, expected, strict=True):
        assert least - 0.01 <= gap <= least * 1.1 + ROOM
    # The first request came after the first interval.
    assert took - sum(found) >= 0.05


def test_the_first_poll_comes_after_the_interval(
    face: Any, extraction_id: str, batch_id: str, extracta_emulator: Emulator
) -> None:
    before = time.time()
    face("extractions.wait", extraction_id, batch_id, poll_interval=0.3)
    (first,) = [r.unix_time for r in extracta_emulator.requests() if r.endpoint == POLL]
    assert 0.29 <= first - before <= 0.33 + ROOM


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_a_floor(
    status: int,
    face: Any,
    extraction_id: str,
    batch_id: str,
    extracta_emulator: Emulator,
    polls: Polls,
) -> None:
    extracta_emulator.faults.add(POLL, status=status, retry_after=0.5)
    face("extractions.wait", extraction_id, batch_id, poll_interval=0, max_poll_interval=0.1)
    assert 0.49 <= gaps(polls())[0] <= 0.5 + ROOM


def test_failed_polls_do_not_end_it(
    face: Any, extraction_id: str, batch_id: str, extracta_emulator: Emulator, polls: Polls
) -> None:
    faults: list[dict[str, Any]] = [
        *[{"status": status} for status in (408, 425, 429, 500, 502, 503, 504)],
        *[{"cut": cut} for cut in ("before", "after", "mid")],
        {"malformed": True},
        {"status": 200, "body": "<html>Bad gateway</html>"},
        {"status": 200, "body": "{}"},
        {"status": 200, "body": ""},
        {"status": 302, "headers": {"Location": "/login"}},
    ]
    for fault in faults:
        extracta_emulator.faults.add(POLL, **fault)
    results = face("extractions.wait", extraction_id, batch_id, poll_interval=0.01, backoff=1)
    assert results.finished
    # Each failed poll was one request: it is not sent again besides.
    assert len(polls()) == len(faults) + 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_no_later_poll_could_change_ends_it(
    status: int,
    face: Any,
    extraction_id: str,
    batch_id: str,
    extracta_emulator: Emulator,
    polls: Polls,
) -> None:
    extracta_emulator.faults.add(POLL, status=status)
    with pytest.raises(APIError) as raised:
        face("extractions.wait", extraction_id, batch_id, poll_interval=0)
    assert raised.value.status_code == status
    assert len(polls()) == 1


@never_done
def test_the_deadline(face: Any, extraction_id: str, batch_id: str, polls: Polls) -> None:
    before = time.monotonic()
    with pytest.raises(WaitTimeoutError, match="it goes on at the service") as raised:
        face("extractions.wait", extraction_id, batch_id, timeout=0.5, poll_interval=0.05)
    took = time.monotonic() - before
    assert 0.5 <= took <= 0.5 + ROOM
    error = raised.value
    assert isinstance(error, TimeoutError)
    assert error.__cause__ is None
    assert isinstance(error.last_results, BatchResults)
    assert (error.last_results.status, error.last_results.finished) == ("waiting", False)
    assert error.last_results.batch_id == batch_id
    # It looked once more shortly before the end.
    assert len(polls()) >= 3
    assert json.loads(error.token)["batchId"] == batch_id


@never_done
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ({"status": 500}, ServerError),
        ({"cut": "after"}, APIConnectionError),
        ({"body": "<html>"}, ResponseFormatError),
        ({"status": 429, "retry_after": 3600}, APIError),
    ],
)
def test_the_deadline_tells_why_the_last_poll_failed(
    fault: dict[str, Any],
    cause: type[Exception],
    face: Any,
    extraction_id: str,
    batch_id: str,
    extracta_emulator: Emulator,
) -> None:
    options = {"timeout": 0.25, "poll_interval": 0.02, "backoff": 1}
    extracta_emulator.faults.add(POLL, times=None, **fault)
    with pytest.raises(WaitTimeoutError, match="the last poll failed") as raised:
        face("extractions.wait", extraction_id, batch_id, **options)
    assert isinstance(raised.value.__cause__, cause)
    assert raised.value.last_results is None
    extracta_emulator.faults.clear()

    def on_progress(results: BatchResults) -> None:
        extracta_emulator.faults.add(POLL, times=None, **fault)

    with pytest.raises(WaitTimeoutError) as raised:
        face("extractions.wait", extraction_id, batch_id, on_progress=on_progress, **options)
    assert isinstance(raised.value.__cause__, cause)
    assert raised.value.last_results is not None


@pytest.mark.parametrize("fault", [{"delay": 5}, {"slow_body": 5}])
def test_a_server_that_hangs_does_not_outlast_the_deadline(
    fault: dict[str, Any], face: Any, extraction_id: str, batch_id: str, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add(POLL, times=None, **fault)
    before = time.monotonic()
    with pytest.raises(WaitTimeoutError) as raised:
        face("extractions.wait", extraction_id, batch_id, timeout=0.3, poll_interval=0)
    assert 0.3 <= time.monotonic() - before <= 0.3 + ROOM
    assert raised.value.last_results is None


@never_done
@pytest.mark.parametrize("timeout", [0, 0.001])
def test_a_deadline_that_has_passed(
    timeout: float, face: Any, extraction_id: str, batch_id: str
) -> None:
    with pytest.raises(WaitTimeoutError):
        face("extractions.wait", extraction_id, batch_id, timeout=timeout, poll_interval=1)


def test_a_last_look_before_the_deadline(face: Any, extraction_id: str, batch_id: str) -> None:
    options = {"timeout": 0.5, "poll_interval": 60, "max_poll_interval": 60}
    assert face("extractions.wait", extraction_id, batch_id, **options).finished


def test_no_deadline(face: Any, extraction_id: str, batch_id: str) -> None:
    for timeout in (None, 1e19, timedelta.max):
        options = {"timeout": timeout, "poll_interval": 0, "max_poll_interval": 1e19}
        assert face("extractions.wait", extraction_id, batch_id, **options).finished


@pytest.mark.extracta_emulator(polls_until_finished=3)
def test_on_progress_sees_each_answer(face: Any, extraction_id: str, batch_id: str) -> None:
    told: list[BatchResults] = []
    options = {"poll_interval": 0.1, "backoff": 1, "on_progress": told.append}
    results = face("extractions.wait", extraction_id, batch_id, **options)
    assert [seen.status for seen in told[:-1]] == ["waiting"] * 3
    assert [seen.finished for seen in told] == [False] * 3 + [True]
    assert told[-1] == results


@never_done
def test_what_on_progress_raises_ends_it(
    face: Any, extraction_id: str, batch_id: str, polls: Polls
) -> None:
    error = LookupError("enough")

    def on_progress(results: BatchResults) -> None:
        raise error

    with pytest.raises(LookupError) as raised:
        face(
            "extractions.wait", extraction_id, batch_id, poll_interval=0.1, on_progress=on_progress
        )
    assert raised.value is error
    assert len(polls()) <= 2


UNKNOWN = [
    '{"status": "reviewing", "files": [{"fileId": "f", "status": "processed"}]}',
    '{"files": [{"fileId": "f", "status": "reviewing"}]}',
    '{"status": "processed", "files": [{"status": "reviewing"}, {"status": "processed"}]}',
]


@pytest.mark.parametrize("body", UNKNOWN)
def test_an_unknown_status_is_not_final_and_told_once(
    body: str,
    face: Any,
    extraction_id: str,
    batch_id: str,
    extracta_emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    extracta_emulator.faults.add(POLL, times=3, body=body)
    with caplog.at_level(logging.INFO, "extracta_rs"):
        options = {"poll_interval": 0.01, "backoff": 1}
        assert face("extractions.wait", extraction_id, batch_id, **options).finished
        warnings: list[logging.LogRecord] = []
        # What the client does in the background is logged from a thread of its own.
        until = time.monotonic() + 10
        while not warnings and time.monotonic() < until:
            time.sleep(0.01)
            warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    (warning,) = warnings
    assert (warning.name, warning.levelno) == ("extracta_rs", logging.WARNING)
    assert '"reviewing"' in warning.getMessage()
    assert batch_id in warning.getMessage()


@never_done
def test_a_token_goes_on_in_another_process(
    face: Any, extraction_id: str, batch_id: str, extracta_emulator: Emulator
) -> None:
    with pytest.raises(WaitTimeoutError) as raised:
        face("extractions.wait", extraction_id, batch_id, timeout=0.05, poll_interval=0)
    body = '{"files": [{"fileId": "f", "status": "processed", "result": {"total": "1"}}]}'
    # Endless: the poll that the deadline cut off may still arrive, and would use up a single one.
    extracta_emulator.faults.add(POLL, times=None, batch_id=batch_id, body=body)
    program = """
import sys
from extracta_rs import Client
with Client("test-key", base_url=sys.argv[1], min_poll_spacing=0) as client:
    print(client.resume(sys.argv[2]).wait(poll_interval=0, timeout=30).files[0].result)
"""
    command = [sys.executable, "-c", program, extracta_emulator.base_url, raised.value.token]
    assert subprocess.check_output(command, text=True) == "{'total': '1'}\n"
