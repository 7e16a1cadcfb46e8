"""One look at an extraction sees many batches; what is asked, judged by the emulator's log."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from extracta_rs import AsyncClient, Batch, BatchRef, Client, NotFoundError, WaitTimeoutError
from extracta_rs.testing import Emulator, Request

POLL, VIEW = "getBatchResults", "viewExtraction"
QUICK = {"poll_interval": 0.05, "max_poll_interval": 0.2}


def batches(client: Client, extraction_id: str, count: int) -> list[Batch]:
    upload = client.extractions.upload
    return [upload(extraction_id, (f"{number}.pdf", b"%PDF")) for number in range(count)]


def counted(emulator: Emulator) -> Counter[str]:
    return Counter(request.endpoint for request in emulator.requests())


def requests(emulator: Emulator, endpoint: str) -> list[Request]:
    return [request for request in emulator.requests() if request.endpoint == endpoint]


@pytest.mark.extracta_emulator(processing_time=1.0)
def test_one_look_takes_the_place_of_many_polls(
    face: Any, extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 300)
    found = face("extractions.wait_many", made, **QUICK)
    assert Counter(results.batch_id for results in found) == Counter(b.batch_id for b in made)
    assert all(results.finished for results in found)
    looks = counted(extracta_emulator)
    ticks = looks[VIEW]
    # One request for each batch that is finished; the rest are checks now and then.
    assert 300 <= looks[POLL] <= 300 * 1.1
    assert 2 <= ticks <= 40


@pytest.mark.extracta_emulator(polls_until_finished=2, show_batches=False)
def test_without_a_list_each_batch_is_asked_for(
    face: Any, extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 20)
    found = face("extractions.wait_many", made, **QUICK)
    assert {results.batch_id for results in found} == {batch.batch_id for batch in made}
    assert counted(extracta_emulator)[VIEW] == 1
    assert counted(extracta_emulator)[POLL] >= 40


@pytest.mark.extracta_emulator(processing_time=0.5)
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 404},
        {"status": 500},
        {"body": "<html>"},
        {"body": "{}"},
        {"body": '{"extractionDetails": {"batches": []}}'},
        {"body": '{"extractionDetails": {"batches": {"-other": {"status": "waiting"}}}}'},
        {"body": '{"batches": null}'},
    ],
)
def test_a_list_that_cannot_be_used_ends_no_wait(
    face: Any,
    extraction_id: str,
    extracta_client: Client,
    extracta_emulator: Emulator,
    fault: dict[str, Any],
) -> None:
    made = batches(extracta_client, extraction_id, 5)
    extracta_emulator.faults.add(VIEW, times=1000, **fault)
    found = face("extractions.wait_many", made, timeout=20, **QUICK)
    assert {results.batch_id for results in found} == {batch.batch_id for batch in made}


def listing(made: list[Batch], status: str) -> str:
    shown = ", ".join(f'"{batch.batch_id}": {{"status": "{status}"}}' for batch in made)
    return f'{{"extractionDetails": {{"batches": {{{shown}}}}}}}'


@pytest.mark.extracta_emulator(processing_time=0.3)
def test_a_list_that_shows_finished_batches_as_running_is_found_out(
    face: Any, extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 12)
    extracta_emulator.faults.add(VIEW, times=1000, body=listing(made, "waiting"))
    found = face("extractions.wait_many", made, timeout=30, **QUICK)
    assert {results.batch_id for results in found} == {batch.batch_id for batch in made}


@pytest.mark.extracta_emulator(processing_time=0.6)
def test_a_list_that_shows_running_batches_as_finished_costs_little(
    face: Any, extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 6)
    extracta_emulator.faults.add(VIEW, times=1000, body=listing(made, "processed"))
    found = face("extractions.wait_many", made, timeout=30, **QUICK)
    assert {results.batch_id for results in found} == {batch.batch_id for batch in made}
    asked = Counter(request.batch_id for request in requests(extracta_emulator, POLL))
    assert max(asked.values()) <= 12


@pytest.mark.extracta_emulator(processing_time=0.4)
def test_a_batch_that_the_list_lacks_is_asked_for_itself(
    face: Any, extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 6)
    extracta_emulator.faults.add(VIEW, times=1000, body=listing(made[:5], "processed"))
    found = face("extractions.wait_many", made, timeout=30, **QUICK)
    assert {results.batch_id for results in found} == {batch.batch_id for batch in made}


@pytest.mark.extracta_emulator(processing_time=3600)
def test_a_batch_that_is_gone_ends_its_wait_alone(
    extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 4)
    extracta_client.extractions.delete_batch(extraction_id, made[0].batch_id)
    waiting = extracta_client.extractions.wait_many(made, timeout=2, **QUICK)
    with pytest.raises(NotFoundError):
        next(waiting)
    for _ in range(3):
        with pytest.raises(WaitTimeoutError):
            next(waiting)
    assert next(waiting, None) is None


@pytest.mark.extracta_emulator(processing_time=0.2)
def test_polling_goes_on_while_nobody_asks_for_the_next(
    extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 2)
    waiting = extracta_client.extractions.wait_many(made, **QUICK)
    until = time.monotonic() + 10
    while len(requests(extracta_emulator, POLL)) < 4 and time.monotonic() < until:
        time.sleep(0.01)
    before = len(requests(extracta_emulator, POLL))
    assert {results.batch_id for results in waiting} == {batch.batch_id for batch in made}
    assert len(requests(extracta_emulator, POLL)) <= before + 2


@pytest.mark.extracta_emulator(processing_time=3600)
def test_a_closed_iterator_asks_no_more(
    extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 2)
    waiting = extracta_client.extractions.wait_many(made, poll_interval=0, max_poll_interval=0.01)
    blocked = threading.Thread(target=list, args=(waiting,))
    blocked.start()
    while not requests(extracta_emulator, POLL):
        time.sleep(0.005)
    waiting.close()
    blocked.join(10)
    assert not blocked.is_alive()
    assert list(waiting) == []
    time.sleep(0.1)
    before = len(requests(extracta_emulator, POLL))
    time.sleep(0.2)
    assert len(requests(extracta_emulator, POLL)) == before


def test_an_iterable_may_grow_while_it_is_waited_on(
    extraction_id: str, extracta_client: Client
) -> None:
    handed: queue.Queue[Batch | None] = queue.Queue()
    source: Iterator[Any] = iter(handed.get, None)
    waiting = extracta_client.extractions.wait_many(source, **QUICK)
    for _ in range(3):
        batch = extracta_client.extractions.upload(extraction_id, ("a.pdf", b"%PDF"))
        handed.put(batch)
        assert next(waiting).batch_id == batch.batch_id
    handed.put(None)
    assert list(waiting) == []


def test_what_an_iterable_raises_comes_behind_the_last_result(
    extraction_id: str, extracta_client: Client
) -> None:
    def source() -> Iterator[Batch]:
        yield extracta_client.extractions.upload(extraction_id, ("a.pdf", b"%PDF"))
        raise LookupError("no more")

    waiting = extracta_client.extractions.wait_many(source(), **QUICK)
    assert next(waiting).finished
    with pytest.raises(LookupError, match="no more"):
        next(waiting)
    assert next(waiting, None) is None


def test_an_asynchronous_iterable_may_grow(
    extraction_id: str, extracta_async_client: AsyncClient
) -> None:
    client = extracta_async_client

    async def main() -> None:
        handed: asyncio.Queue[Any] = asyncio.Queue()

        async def source() -> AsyncIterator[Any]:
            while (batch := await handed.get()) is not None:
                yield batch
            raise LookupError("no more")

        waiting = client.extractions.wait_many(source(), **QUICK)
        await handed.put(await client.extractions.upload(extraction_id, ("a.pdf", b"%PDF")))
        assert (await anext(waiting)).finished
        await handed.put(await client.extractions.upload(extraction_id, ("b.pdf", b"%PDF")))
        await handed.put(None)
        assert (await anext(waiting)).finished
        with pytest.raises(LookupError):
            await anext(waiting)
        await waiting.aclose()

    asyncio.run(main())


@pytest.mark.extracta_emulator(processing_time=0.5)
def test_a_result_is_handed_over_within_100_ms_of_its_poll(
    extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 30)
    settings: dict[str, Any] = {"base_url": extracta_emulator.base_url, "min_poll_spacing": 0.02}
    handed: dict[str, float] = {}
    with Client(extracta_emulator.api_key, **settings) as client:
        refs = [BatchRef(extraction_id=extraction_id, batch_id=batch.batch_id) for batch in made]
        for results in client.extractions.wait_many(refs, **QUICK):
            handed[results.batch_id] = time.monotonic()
    asked = {str(r.batch_id): r.time for r in requests(extracta_emulator, POLL)}
    # The emulator's clock starts elsewhere: the quickest hand-over is taken for none.
    late = [moment - asked[batch_id] for batch_id, moment in handed.items()]
    assert sorted(late)[len(late) // 2] - min(late) < 0.1


@pytest.mark.extracta_emulator(processing_time=0.3)
def test_a_cancelled_step_loses_no_result(
    extraction_id: str, extracta_async_client: AsyncClient
) -> None:
    """Steps are cancelled at every moment; each batch still comes once."""
    client = extracta_async_client

    async def main() -> None:
        upload = client.extractions.upload
        made = [await upload(extraction_id, (f"{number}.pdf", b"%PDF")) for number in range(40)]
        waiting = client.extractions.wait_many(made, **QUICK)
        found: list[str] = []
        delay = 0.0
        while True:
            # From not at all to long enough, in steps that meet the hand-over now and then.
            delay = (delay + 0.00007) % 0.004
            step = asyncio.ensure_future(anext(waiting))
            await asyncio.sleep(delay)
            if not step.done():
                step.cancel()
            try:
                found.append((await step).batch_id)
            except asyncio.CancelledError:
                continue
            except StopAsyncIteration:
                break
        assert sorted(found) == sorted(batch.batch_id for batch in made)

    asyncio.run(asyncio.wait_for(main(), 60))


@pytest.mark.extracta_emulator(polls_until_finished=3)
def test_waits_that_want_each_answer_are_not_looked_at_together(
    extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    made = batches(extracta_client, extraction_id, 5)

    async def wait_for_all() -> None:
        settings: Any = {"base_url": extracta_emulator.base_url, "min_poll_spacing": 0}
        async with AsyncClient(extracta_emulator.api_key, **settings) as client:
            for_each: Any = {**QUICK, "on_progress": lambda _: None}
            await asyncio.gather(*(client.resume(batch.token()).wait(**for_each) for batch in made))

    asyncio.run(wait_for_all())
    assert counted(extracta_emulator)[VIEW] == 0
    assert counted(extracta_emulator)[POLL] == 5 * 4
