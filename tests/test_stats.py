"""What `client.stats()` counts, compared with what a real server saw."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any, get_args

import pytest

import extracta_rs
from extracta_rs import APITimeoutError, AsyncClient, Client, NotFoundError, ResponseFormatError
from extracta_rs._observe import ClientStats, FailureKind
from extracta_rs.testing import Emulator


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


def test_nothing_is_counted_before_anything_is_sent(face: Any) -> None:
    stats = face.client.stats()
    assert isinstance(stats, ClientStats)
    numbers = dataclasses.asdict(stats)
    failures = numbers.pop("failures")
    assert set(numbers.values()) | set(failures.values()) == {0}
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats.requests = 1
    assert face.client.closed is False


def test_kinds_of_failures_are_errors_that_users_know(face: Any) -> None:
    kinds = set(face.client.stats().failures)
    assert kinds == set(get_args(FailureKind))
    for kind in kinds:
        assert issubclass(getattr(extracta_rs, kind), extracta_rs.ExtractaError)


def test_a_day_s_work(face: Any, extraction_id: str, extracta_emulator: Emulator) -> None:
    before = len(extracta_emulator.requests())
    extracta_emulator.faults.add("uploadFiles", status=429, retry_after=0, times=1)
    content = b"%PDF" * 10_000
    results = face(
        "extractions.run", extraction_id, [("a.pdf", content), ("b.pdf", content)], poll_interval=0
    )
    assert face("credits") > 0
    seen = extracta_emulator.requests()[before:]
    stats = face.client.stats()
    assert len(results.files) == 2
    assert stats.requests == len(seen) == stats.retries + stats.polls + 2
    assert (stats.retries, stats.uploads, stats.files_uploaded) == (1, 1, 2)
    assert stats.polls == len([one for one in seen if one.endpoint == "getBatchResults"]) >= 1
    assert stats.rate_limited == stats.failures["RateLimitError"] == 1
    assert sum(stats.failures.values()) == 1
    # Both attempts, with the form around the files. A refused one need not have been sent whole.
    assert 80_000 < stats.bytes_uploaded < 2 * 81_500
    assert stats.bytes_received > len('{"status": "uploaded"}')
    assert 1 <= stats.connections <= stats.requests
    assert (stats.in_flight, stats.queued, stats.cancelled) == (0, 0, 0)
    assert 0 < stats.seconds < 60


@pytest.mark.parametrize(
    ("fault", "kind", "limited"),
    [
        ({"status": 400}, "BadRequestError", 0),
        ({"status": 401}, "AuthenticationError", 0),
        ({"status": 403}, "PermissionDeniedError", 0),
        ({"status": 404}, "NotFoundError", 0),
        ({"status": 409}, "APIError", 0),
        ({"status": 422}, "BadRequestError", 0),
        ({"status": 429}, "RateLimitError", 1),
        ({"status": 500}, "ServerError", 0),
        ({"status": 503}, "ServerError", 0),
        ({"status": 503, "retry_after": 1}, "ServerError", 1),
        ({"status": 302, "headers": {"location": "https://x.invalid/"}}, "ResponseFormatError", 0),
        ({"malformed": True}, "ResponseFormatError", 0),
        ({"cut": "before"}, "APIConnectionError", 0),
        ({"delay": 5}, "APITimeoutError", 0),
    ],
)
def test_each_failure_counts_as_the_error_that_is_raised(
    fault: dict[str, Any], kind: str, limited: int, connect: Any, extracta_emulator: Emulator
) -> None:
    face = connect(max_retries=0, timeout=0.5)
    extracta_emulator.faults.add("credits", **fault)
    with pytest.raises(extracta_rs.ExtractaError) as raised:
        face("credits")
    assert type(raised.value).__name__ == kind
    stats = face.client.stats()
    assert {name: count for name, count in stats.failures.items() if count} == {kind: 1}
    assert (stats.requests, stats.rate_limited, stats.retries) == (1, limited, 0)


def test_a_retry_that_goes_well_leaves_the_failure_counted(
    connect: Any, extracta_emulator: Emulator
) -> None:
    face = connect(max_retries=2)
    extracta_emulator.faults.add("credits", status=503, retry_after=0, times=2)
    assert face("credits") > 0
    stats = face.client.stats()
    assert (stats.requests, stats.retries, stats.failures["ServerError"]) == (3, 2, 2)


def test_what_is_under_way_and_what_waits(extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", delay=30, times=None)
    address = {"base_url": extracta_emulator.base_url}
    with Client(extracta_emulator.api_key, max_connections=2, max_retries=0, **address) as client:

        def ask() -> None:
            with contextlib.suppress(extracta_rs.ClientClosedError):
                client.credits()

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        until(lambda: (client.stats().in_flight, client.stats().queued) == (2, 3))
        assert client.stats().requests == 2
        client.close()
        for thread in threads:
            thread.join()
        until(lambda: (client.stats().in_flight, client.stats().queued) == (0, 0))
        # A place that came free may have been taken before the client was seen to be closed.
        assert 2 <= client.stats().cancelled == client.stats().requests
        assert sum(client.stats().failures.values()) == 0


def test_a_cancelled_task_counts_as_cancelled(extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", delay=30)

    async def main() -> None:
        address = {"base_url": extracta_emulator.base_url}
        async with AsyncClient(extracta_emulator.api_key, **address) as client:
            task = asyncio.create_task(client.credits())
            while not client.stats().in_flight:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while client.stats().in_flight:
                await asyncio.sleep(0.005)
            assert client.stats().cancelled == 1

    asyncio.run(main())


def test_sweeps_are_no_polls(extracta_emulator: Emulator) -> None:
    with Client(
        extracta_emulator.api_key, base_url=extracta_emulator.base_url, min_poll_spacing=0.01
    ) as client:
        made = client.extractions.create("Invoices", fields=[{"key": "total"}])
        batches = [
            client.extractions.upload(made.extraction_id, (f"{n}.pdf", b"%PDF")) for n in range(5)
        ]
        before = len(extracta_emulator.requests())
        options = {"poll_interval": 0.05, "max_poll_interval": 0.05}
        assert len(list(client.extractions.wait_many(batches, **options))) == 5
        seen = [one.endpoint for one in extracta_emulator.requests()[before:]]
        stats = client.stats()
    assert stats.polls == seen.count("getBatchResults")
    assert stats.sweeps == seen.count("viewExtraction") > 0


def test_copies_count_together(face: Any) -> None:
    copy = face.client.with_options(timeout=30)
    face("credits")
    face.client = copy
    face("credits")
    assert copy.stats().requests == 2


def test_pool_timeouts_are_told_apart(extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", delay=30)
    address = {"base_url": extracta_emulator.base_url}
    with Client(extracta_emulator.api_key, max_connections=1, max_retries=0, **address) as client:

        def ask() -> None:
            with contextlib.suppress(extracta_rs.ClientClosedError):
                client.credits()

        busy = threading.Thread(target=ask)
        busy.start()
        until(lambda: client.stats().in_flight == 1)
        brief = client.with_options(timeout=extracta_rs.Timeout(pool=0.05))
        with pytest.raises(APITimeoutError, match="no place among max_connections") as raised:
            brief.credits()
        assert raised.value.request_sent is False
        client.close()
        busy.join()
    assert client.stats().requests == 1


def test_counting_goes_on_where_answers_are_wrong(face: Any, raw_server: Any) -> None:
    del face
    raw_server.answer(b"[]")
    with Client("key-of-test", base_url=raw_server.url, max_retries=0) as client:
        with pytest.raises(ResponseFormatError):
            client.credits()
        with pytest.raises(ResponseFormatError):
            client.extractions.view("x")
        raw_server.answer(b"{}", status="404 Not Found")
        with pytest.raises(NotFoundError):
            client.extractions.view("x")
        stats = client.stats()
    assert stats.failures["ResponseFormatError"] == 2
    assert stats.failures["NotFoundError"] == 1
    assert stats.bytes_received == 6
