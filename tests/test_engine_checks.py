"""One look that waits for nothing: what it asks for, what it tells, and when to come back."""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from extracta_rs import (
    AsyncClient,
    Client,
    RateLimitError,
    ServerError,
    Status,
    get_batch_results,
)
from extracta_rs import check as check_by_environment
from extracta_rs import fetch as fetch_by_environment
from extracta_rs import submit as submit_by_environment
from extracta_rs.testing import Emulator, Request

LOOKS = ("getBatchResults", "viewExtraction")


def looks(emulator: Emulator) -> list[Request]:
    return [request for request in emulator.requests() if request.endpoint in LOOKS]


def template(emulator: Emulator) -> str:
    with Client(emulator.api_key, base_url=emulator.base_url) as client:
        return client.extractions.create(
            "T", fields=[{"key": "a", "description": "a"}]
        ).extraction_id


def batches(emulator: Emulator, extraction_id: str, count: int) -> list[str]:
    """Upload batches of one file; return their tokens."""
    with Client(emulator.api_key, base_url=emulator.base_url) as client:
        return [client.submit(extraction_id, (f"{number}.pdf", b"%PDF")) for number in range(count)]


def test_a_look_that_the_limiter_does_not_admit_tells_what_is_known(
    connect: Callable[..., Any],
) -> None:
    with Emulator(processing_time=3600) as emulator:
        one, other = batches(emulator, template(emulator), 2)
        face = connect(base_url=emulator.base_url, api_key=emulator.api_key, min_poll_spacing=30)
        first = face("check", one)
        assert (first.finished, first.status, first.age) == (False, "waiting", 0.0)
        assert first.problem is None
        began = time.monotonic()
        again, unknown = face("check", one), face("check", other)
        assert time.monotonic() - began < 5
        assert (again.status, again.files, again.finished) == ("waiting", None, False)
        assert again.age is not None
        assert 0 < again.age < 30
        assert (unknown.status, unknown.age, unknown.finished) == (None, None, False)
        # Each is told a moment of its own, one spacing apart.
        assert 25 < again.retry_after < 31
        assert 25 < unknown.retry_after - again.retry_after < 35
        assert len(looks(emulator)) == 1


def test_a_look_may_stand_in_line_for_so_long(connect: Callable[..., Any]) -> None:
    with Emulator(processing_time=3600) as emulator:
        one, other = batches(emulator, template(emulator), 2)
        face = connect(base_url=emulator.base_url, api_key=emulator.api_key, min_poll_spacing=0.6)
        assert face("check", one).age == 0.0
        assert face("check", other, max_wait=0.05).age is None
        assert face("check", other, max_wait=20).age == 0.0
        first, second = looks(emulator)
        assert second.time - first.time > 0.55


@pytest.mark.parametrize(
    ("fault", "kind_of", "least"),
    [
        ({"status": 429, "retry_after": 17}, RateLimitError, 17),
        ({"status": 503, "retry_after": 9}, ServerError, 9),
        ({"status": 502}, ServerError, 0),
        ({"cut": "before"}, Exception, 0),
        ({"malformed": True}, Exception, 0),
    ],
)
def test_a_problem_that_will_pass_is_told_not_raised(
    connect: Callable[..., Any], fault: dict[str, Any], kind_of: type[Exception], least: float
) -> None:
    with Emulator(processing_time=3600) as emulator:
        (token,) = batches(emulator, template(emulator), 1)
        face = connect(base_url=emulator.base_url, api_key=emulator.api_key)
        emulator.faults.add("getBatchResults", **fault)
        before = len(looks(emulator))
        status = face("check", token)
        assert isinstance(status.problem, kind_of)
        assert status.retry_after >= max(least, 0.1)
        assert (status.finished, status.age) == (False, None)
        # One request: it is the engine that tries again.
        assert len(looks(emulator)) == before + 1
        assert face("check", token).problem is None


def test_the_hint_grows_with_the_time_that_has_passed(connect: Callable[..., Any]) -> None:
    with Emulator(processing_time=3600) as emulator:
        (token,) = batches(emulator, template(emulator), 1)
        face = connect(base_url=emulator.base_url, api_key=emulator.api_key)
        hints = [face("check", token, waited=waited).retry_after for waited in (0, 9, 30, 3600)]
        assert 0.1 <= hints[0] < 2
        assert 3 <= hints[1] < 4
        assert 10 <= hints[2] < 12
        assert 15 <= hints[3] < 17


async def defer(client: AsyncClient, token: str) -> Status:
    """Do what a trigger does: look, and leave the loop to others until it is worth while."""
    while not (status := await client.check(token)).finished:
        assert status.retry_after >= 0.05
        assert status.problem is None
        await asyncio.sleep(status.retry_after)
    return status


def trigger(emulator: Emulator, tokens: list[str], spacing: float) -> list[Status]:
    async def all_of_them() -> list[Status]:
        async with AsyncClient(
            emulator.api_key, base_url=emulator.base_url, min_poll_spacing=spacing
        ) as client:
            return await asyncio.gather(*(defer(client, token) for token in tokens))

    return asyncio.run(all_of_them())


def assert_apart(emulator: Emulator, spacing: float) -> None:
    times = [request.time for request in looks(emulator)]
    assert times[-1] - times[0] > (len(times) - 1) * spacing * 0.95
    # A busy machine may let one head wait for the next.
    assert min(after - before for before, after in pairwise(times)) > spacing * 0.4


def test_one_look_at_an_extraction_serves_a_hundred_waits() -> None:
    with Emulator(processing_time=4) as emulator:
        tokens = batches(emulator, template(emulator), 100)
        statuses = trigger(emulator, tokens, 0.05)
        assert [status.token for status in statuses] == tokens
        asked = looks(emulator)
        swept = [request for request in asked if request.endpoint == "viewExtraction"]
        assert len(swept) > 3
        assert {r.batch_id for r in asked if r.batch_id} == {
            request.batch_id for request in emulator.requests() if request.endpoint == "uploadFiles"
        }
        # Each of them needs one request for its results; a sweep goes before some.
        assert len(asked) < 100 * 2
        assert_apart(emulator, 0.05)


def test_without_a_list_each_is_asked_for_in_its_turn() -> None:
    with Emulator(show_batches=False, polls_until_finished=2) as emulator:
        tokens = batches(emulator, template(emulator), 12)
        assert len(trigger(emulator, tokens, 0.03)) == 12
        swept = [r for r in looks(emulator) if r.endpoint == "viewExtraction"]
        # It looked, saw nothing to rely on, and looks no more.
        assert len(swept) == 1
        assert len(looks(emulator)) == 12 * 3 + 1
        assert_apart(emulator, 0.03)


def test_a_list_that_lies_is_found_out() -> None:
    with Emulator() as emulator:
        extraction_id = template(emulator)
        tokens = batches(emulator, extraction_id, 5)
        made = {request.batch_id for request in emulator.requests() if request.batch_id}
        shown = ",".join(f'"{batch}": {{"status": "waiting"}}' for batch in made)
        body = f'{{"extractionId": "x", "extractionDetails": {{"batches": {{{shown}}}}}}}'
        emulator.faults.add("viewExtraction", times=None, body=body)
        assert all(status.finished for status in trigger(emulator, tokens, 0.02))


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_a_pickled_client_works_in_processes_of_each_kind(
    method: str,
    extraction_id: str,
    extracta_emulator: Emulator,
    start: Callable[..., subprocess.Popen[str]],
    end: Callable[..., str],
) -> None:
    if sys.platform == "win32" and method != "spawn":
        pytest.skip("Windows only spawns")
    environment = {
        **os.environ,
        "EXTRACTA_API_KEY": extracta_emulator.api_key,
        "EXTRACTA_BASE_URL": extracta_emulator.base_url,
    }
    assert end(start("pickled.py", method, extraction_id, env=environment)) == "['a.pdf']\n"


def test_a_status_can_be_sent_on(connect: Callable[..., Any], extraction_id: str) -> None:
    face = connect()
    token = face("submit", extraction_id, ("a.pdf", b"%PDF"))
    status = face("check", token)
    assert pickle.loads(pickle.dumps(status)) == status


def test_the_steps_with_a_client_from_the_environment(
    extraction_id: str, extracta_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTRACTA_API_KEY", extracta_emulator.api_key)
    monkeypatch.setenv("EXTRACTA_BASE_URL", extracta_emulator.base_url)
    token = submit_by_environment(extraction_id, ("a.pdf", b"%PDF"))
    assert check_by_environment(token).finished
    results = fetch_by_environment(token)
    assert get_batch_results(extraction_id, results.batch_id).to_dict() == results.to_dict()
