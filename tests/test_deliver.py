"""Webhooks end waits: at once, once, and only where the whole batch is there."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from extracta_rs import (
    AsyncClient,
    Batch,
    BatchRef,
    BatchResults,
    Client,
    ClientClosedError,
    WebhookEvent,
    sign,
    unwrap,
)
from extracta_rs.testing import Emulator

SECRET = "E_AI_K_deliver"
POLL = "getBatchResults"
SLOW: dict[str, Any] = {"poll_interval": 3600, "max_poll_interval": 3600, "timeout": 7200}


def event_of(*files: dict[str, Any], event: str = "extraction.processed") -> WebhookEvent:
    body = json.dumps({"event": event, "result": files}, separators=(",", ":"))
    return unwrap(body, sign(body, SECRET), SECRET)


def files_of(batch: Batch, **changed: Any) -> list[dict[str, Any]]:
    return [
        {
            "extractionId": batch.extraction_id,
            "batchId": batch.batch_id,
            "fileId": file.file_id,
            "fileName": file.file_name,
            "status": "processed",
            "result": {"total": "12.50"},
            **changed,
        }
        for file in batch.files
    ]


def polls(emulator: Emulator) -> int:
    return sum(request.endpoint == POLL for request in emulator.requests())


def waiting_thread(pool: ThreadPoolExecutor, client: Client, call: Callable[[], Any]) -> Any:
    """Start a wait and return its future once the wait has begun."""
    future = pool.submit(call)
    # An unknown batch ends nothing: the wait has begun once a known one could be asked for.
    time.sleep(0.3)
    assert not future.done()
    return future


@pytest.mark.extracta_emulator(processing_time=3600)
def test_a_delivery_ends_every_wait_for_its_batch_without_a_request(
    extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    client = extracta_client
    batch = client.extractions.upload(extraction_id, [("a.pdf", b"a"), ("b.pdf", b"b")])
    other = client.extractions.upload(extraction_id, ("c.pdf", b"c"))
    many = client.extractions.wait_many([batch, other], **SLOW)
    with ThreadPoolExecutor(2) as pool:
        single = waiting_thread(pool, client, lambda: batch.wait(**SLOW))
        event = event_of(*files_of(batch))
        assert client.deliver(event) == 2
        results: BatchResults = single.result(10)
        assert next(many).to_dict() == results.to_dict()
        # A second time, there is nobody left.
        assert client.deliver(event) == 0
    assert results.finished
    assert results.batch_id == batch.batch_id
    assert [file.file_id for file in results] == [file.file_id for file in batch.files]
    assert results.to_dict() == {
        "extractionId": extraction_id,
        "batchId": batch.batch_id,
        "files": files_of(batch),
    }
    assert client.deliver(event_of(*files_of(other))) == 1
    assert next(many).batch_id == other.batch_id
    assert next(many, None) is None
    assert polls(extracta_emulator) == 0


@pytest.mark.extracta_emulator(processing_time=3600)
def test_the_numbers_are_the_signed_ones(extraction_id: str, extracta_client: Client) -> None:
    batch = extracta_client.extractions.upload(extraction_id, ("a.pdf", b"a"))
    many = extracta_client.extractions.wait_many([batch], **SLOW)
    file = files_of(batch)[0]
    body = json.dumps({"event": "x.y", "result": [file]}, separators=(",", ":"))
    body = body.replace('"12.50"', "12345678901234567")
    event = unwrap(body, sign(body, SECRET), SECRET)
    assert extracta_client.deliver(event) == 1
    assert next(many).files[0].result == event.files[0].result


@pytest.mark.extracta_emulator(processing_time=3600)
def test_parts_of_a_batch_end_its_wait_when_all_are_there(
    extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    batch = extracta_client.extractions.upload(extraction_id, [("a.pdf", b"a"), ("b.pdf", b"b")])
    more = extracta_client.extractions.upload(
        extraction_id, ("c.pdf", b"c"), batch_id=batch.batch_id
    )
    many = extracta_client.extractions.wait_many([batch], **SLOW)
    assert extracta_client.deliver(event_of(*files_of(batch))) == 0
    assert extracta_client.deliver(event_of(*files_of(more))) == 1
    names = [file.file_name for file in next(many)]
    assert names == ["a.pdf", "b.pdf", "c.pdf"]
    # The part made the client ask once.
    assert polls(extracta_emulator) <= 1


@pytest.mark.extracta_emulator(processing_time=0.0)
def test_a_batch_whose_files_are_not_known_is_asked_for_at_once(
    extraction_id: str, connect: Callable[..., Any], extracta_client: Client,
    extracta_emulator: Emulator,
) -> None:  # fmt: skip
    batch = extracta_client.extractions.upload(extraction_id, [("a.pdf", b"a"), ("b.pdf", b"b")])
    other = connect().client
    ref = BatchRef(extraction_id=extraction_id, batch_id=batch.batch_id)
    part = event_of(files_of(batch)[0])
    if isinstance(other, Client):
        many = other.extractions.wait_many([ref], **SLOW)
        assert other.deliver(part) == 0
        results = next(many)
    else:

        async def main() -> BatchResults:
            assert isinstance(other, AsyncClient)
            many = other.extractions.wait_many([ref], **SLOW)
            assert other.deliver(part) == 0
            return await anext(many)

        results = asyncio.run(main())
    assert len(results.files) == 2
    assert polls(extracta_emulator) == 1


@pytest.mark.extracta_emulator(processing_time=3600)
@pytest.mark.parametrize(
    "files",
    [
        [],
        [{}],
        [{"extractionId": "-x", "batchId": "-y", "fileId": "-z", "status": "processed"}],
        [{"extractionId": "-x", "batchId": 1, "fileId": None}],
        ["text", None, 1],
        [{"extractionId": "\ud83d", "batchId": "-y", "fileId": "-z"}],
    ],
)
def test_deliveries_of_nobodys_batches_end_nothing(
    extraction_id: str, extracta_client: Client, files: list[Any]
) -> None:
    batch = extracta_client.extractions.upload(extraction_id, ("a.pdf", b"a"))
    many = extracta_client.extractions.wait_many([batch], **SLOW)
    body = json.dumps({"event": "extraction.processed", "result": files}, separators=(",", ":"))
    if all(isinstance(file, dict) for file in files):
        assert extracta_client.deliver(unwrap(body, sign(body, SECRET), SECRET)) == 0
    assert extracta_client.deliver(event_of(*files_of(batch))) == 1
    assert next(many).finished


@pytest.mark.extracta_emulator(processing_time=3600)
def test_files_that_are_not_final_end_nothing(extraction_id: str, extracta_client: Client) -> None:
    batch = extracta_client.extractions.upload(extraction_id, ("a.pdf", b"a"))
    many = extracta_client.extractions.wait_many([batch], **SLOW)
    for status in ("waiting", "processing", "odd"):
        assert extracta_client.deliver(event_of(*files_of(batch, status=status))) == 0
    failed = event_of(*files_of(batch, status="failed", error="blank"), event="anything.at.all")
    assert extracta_client.deliver(failed) == 1
    assert next(many).failed[0].error == "blank"


@pytest.mark.extracta_emulator(processing_time=0.3)
def test_a_wait_ends_once_whichever_comes_first(
    extraction_id: str, extracta_client: Client
) -> None:
    upload = extracta_client.extractions.upload
    made = [upload(extraction_id, (f"{number}.pdf", b"a")) for number in range(60)]
    many = extracta_client.extractions.wait_many(made, poll_interval=0.05, max_poll_interval=0.1)
    events = [event_of(*files_of(batch)) for batch in made]

    def deliver() -> int:
        total = 0
        for event in events:
            time.sleep(0.005)
            total += extracta_client.deliver(event)
        return total

    with ThreadPoolExecutor(2) as pool:
        totals = [pool.submit(deliver), pool.submit(deliver)]
        found = [results.batch_id for results in many]
        assert sum(total.result() for total in totals) <= 60
    assert sorted(found) == sorted(batch.batch_id for batch in made)


def test_a_closed_client_delivers_nothing(extraction_id: str, extracta_client: Client) -> None:
    batch = extracta_client.extractions.upload(extraction_id, ("a.pdf", b"a"))
    extracta_client.close()
    with pytest.raises(ClientClosedError):
        extracta_client.deliver(event_of(*files_of(batch)))


@pytest.mark.extracta_emulator(processing_time=3600)
def test_a_wait_on_a_loop_is_ended_from_another_thread(
    extraction_id: str, extracta_async_client: AsyncClient
) -> None:
    client = extracta_async_client

    async def main() -> BatchResults:
        batch = await client.extractions.upload(extraction_id, ("a.pdf", b"a"))
        waiting = asyncio.create_task(batch.wait(**SLOW))
        await asyncio.sleep(0)
        delivered: list[int] = []

        def handler() -> None:
            until = time.monotonic() + 10
            while not sum(delivered) and time.monotonic() < until:
                made = [
                    {"extractionId": extraction_id, "batchId": batch.batch_id,
                     "fileId": file.file_id, "status": "processed", "result": {}}
                    for file in batch.files
                ]  # fmt: skip
                delivered.append(client.deliver(event_of(*made)))

        thread = threading.Thread(target=handler)
        thread.start()
        results = await waiting
        thread.join()
        assert sum(delivered) == 1
        return results

    assert asyncio.run(main()).finished
