"""How waits of one client take turns, seen from the service: no herd, nobody starves.

Lower bounds of gaps are exact; upper bounds leave room for a busy machine.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from extracta_rs import BatchRef, Client, WaitTimeoutError
from extracta_rs.testing import Emulator, Request

POLL, SWEEP = "getBatchResults", "viewExtraction"
SPACING = 0.03
HOLD = 0.6


def polls(emulator: Emulator) -> list[Request]:
    return [request for request in emulator.requests() if request.endpoint == POLL]


def upload(client: Client, extraction_id: str, batches: int) -> list[str]:
    return [
        client.extractions.upload(extraction_id, (f"{number}.pdf", b"%PDF")).batch_id
        for number in range(batches)
    ]


def gaps(requests: list[Request]) -> list[float]:
    return [later.time - earlier.time for earlier, later in itertools.pairwise(requests)]


@pytest.mark.extracta_emulator(polls_until_finished=2, show_batches=False)
def test_a_refusal_holds_all_waits_and_they_go_on_in_fair_turns(
    connect: Callable[..., Any],
    extraction_id: str,
    extracta_client: Client,
    extracta_emulator: Emulator,
) -> None:
    ids = upload(extracta_client, extraction_id, 50)
    extracta_emulator.faults.add(POLL, batch_id=ids[25], status=429, retry_after=HOLD)
    face = connect(min_poll_spacing=SPACING)
    batches = [BatchRef(extraction_id=extraction_id, batch_id=batch_id) for batch_id in ids]
    found = face("extractions.wait_many", batches, poll_interval=0, max_poll_interval=0, timeout=60)
    assert {results.batch_id for results in found} == set(ids)

    requests = polls(extracta_emulator)
    # Three looks at each batch, and the one that was refused.
    looks = Counter(request.batch_id for request in requests)
    assert looks == Counter(dict.fromkeys(ids, 3)) + Counter([ids[25]])

    found_gaps = gaps(requests)
    # One that was late on its way comes close before the next; several never do.
    assert min(found_gaps) >= SPACING / 2
    assert all(sum(five) >= 4 * SPACING for five in zip(*[iter(found_gaps)] * 5, strict=False))
    (refused,) = [at for at, request in enumerate(requests) if request.status == 429]
    assert found_gaps[refused] >= HOLD
    # The first request after the hold was answered well, which took back an eighth already.
    for answers, gap in enumerate(found_gaps[refused + 1 : refused + 9], start=1):
        assert gap >= SPACING * (2 - answers / 8)
    assert statistics.median(found_gaps[-50:]) < 2 * SPACING

    # At no moment was a batch more than one look ahead, or two of the one that was refused.
    so_far = Counter(dict.fromkeys(ids, 0))
    for request in requests:
        so_far[str(request.batch_id)] += 1
        others = [count for batch_id, count in so_far.items() if batch_id != ids[25]]
        assert max(others) - min(others) <= 1
        assert max(so_far.values()) - min(so_far.values()) <= 2


@pytest.mark.extracta_emulator(processing_time=3600)
def test_a_hold_outlasts_no_deadline_and_stops_requests_of_every_kind(
    connect: Callable[..., Any], extraction_id: str, batch_id: str, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add(POLL, status=429, retry_after=3600)
    face = connect(min_poll_spacing=SPACING)
    for _ in range(2):
        before = time.monotonic()
        with pytest.raises(WaitTimeoutError):
            face("extractions.wait", extraction_id, batch_id, timeout=0.3, poll_interval=0)
        assert 0.3 <= time.monotonic() - before <= 1.3
    assert len(polls(extracta_emulator)) == 1
    # Other requests are not held.
    assert face("credits") >= 0


@pytest.mark.extracta_emulator(polls_until_finished=1)
def test_waits_and_single_looks_share_one_hold(
    extraction_id: str, batch_id: str, extracta_emulator: Emulator
) -> None:
    settings: dict[str, Any] = {
        "base_url": extracta_emulator.base_url,
        "min_poll_spacing": SPACING,
    }
    extracta_emulator.faults.add(POLL, status=429, retry_after=HOLD)
    with Client(extracta_emulator.api_key, **settings) as client, ThreadPoolExecutor(9) as pool:
        wait, results = client.extractions.wait, client.extractions.results
        calls = [
            *[pool.submit(wait, extraction_id, batch_id, poll_interval=0) for _ in range(4)],
            *[pool.submit(results, extraction_id, batch_id) for _ in range(4)],
        ]
        for call in calls:
            call.result(30)
    found = gaps(polls(extracta_emulator))
    assert found[0] >= HOLD
    assert min(found) >= SPACING


@pytest.mark.extracta_emulator(processing_time=3600)
def test_requests_that_waited_for_a_connection_do_not_go_out_in_a_row(
    extraction_id: str, batch_id: str, extracta_emulator: Emulator
) -> None:
    settings: dict[str, Any] = {
        "base_url": extracta_emulator.base_url,
        "min_poll_spacing": SPACING,
        "max_connections": 1,
    }
    extracta_emulator.faults.add("credits", delay=10 * SPACING)
    with Client(extracta_emulator.api_key, **settings) as client, ThreadPoolExecutor(6) as pool:
        slow = threading.Thread(target=client.credits)
        slow.start()
        while extracta_emulator.requests()[-1].endpoint != "credits":
            time.sleep(0.002)
        looks = [pool.submit(client.extractions.results, extraction_id, batch_id) for _ in range(6)]
        for look in looks:
            look.result(30)
        slow.join()
    assert min(gaps(polls(extracta_emulator))) >= SPACING


def test_what_a_sweep_found_finished_is_fetched_before_the_next_sweep(
    connect: Callable[..., Any],
    extraction_id: str,
    extracta_client: Client,
    extracta_emulator: Emulator,
) -> None:
    ids = upload(extracta_client, extraction_id, 40)
    face = connect(min_poll_spacing=SPACING)
    batches = [BatchRef(extraction_id=extraction_id, batch_id=batch_id) for batch_id in ids]
    found = face("extractions.wait_many", batches, poll_interval=0, max_poll_interval=0, timeout=60)
    assert {results.batch_id for results in found} == set(ids)

    asked = [r.endpoint for r in extracta_emulator.requests() if r.endpoint in (POLL, SWEEP)]
    assert asked.count(POLL) == len(ids)
    # A sweep is always due, and goes out once in eight fetches: not in turns, and not never.
    runs = [len(list(run)) for what, run in itertools.groupby(asked) if what == POLL]
    assert runs[:-1] == [8] * (len(runs) - 1)
    assert len(runs) >= len(ids) // 8
