"""Hooks: what they are told, on which thread, in which order, and that they cost no result."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import gc
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    Client,
    ClientClosedError,
    NotFoundError,
    RequestEvent,
    ResponseEvent,
    ServerError,
)
from extracta_rs.testing import Emulator

Event = RequestEvent | ResponseEvent


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.005)


@dataclasses.dataclass
class Told:
    """What hooks were told, and where."""

    events: list[Event] = dataclasses.field(default_factory=list)
    threads: set[int] = dataclasses.field(default_factory=set)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.threads.add(threading.get_ident())

    @property
    def hooks(self) -> dict[str, Any]:
        return {"on_request": self, "on_response": self}

    @property
    def asked(self) -> list[RequestEvent]:
        return [event for event in self.events if isinstance(event, RequestEvent)]

    @property
    def ended(self) -> list[ResponseEvent]:
        return [event for event in self.events if isinstance(event, ResponseEvent)]


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_request_and_its_answer(told: Told, connect: Any, extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", headers={"x-request-id": "r-1"}, status=200, body="{}")
    face = connect(**told.hooks)
    began = time.time()
    with contextlib.suppress(Exception):
        face("credits")
    request, response = told.events
    assert isinstance(request, RequestEvent)
    assert isinstance(response, ResponseEvent)
    assert (request.operation, request.method, request.path) == ("credits", "GET", "/credits")
    assert request.url == f"{extracta_emulator.base_url}/credits"
    assert request.attempt == 1
    assert began - 1 < request.time < time.time() + 1
    assert response.request == request
    assert (response.status_code, response.size) == (200, 2)
    assert 0 < response.duration < 10
    assert response.headers["content-length"] == "2"
    assert response.request_id == "r-1"
    assert (response.error, response.error_type) == (None, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.attempt = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        response.error = ""  # type: ignore[misc]


def test_all_is_told_before_the_call_returns_on_its_thread_or_loop(
    told: Told, connect: Any, extraction_id: str
) -> None:
    face = connect(**told.hooks)
    for number in range(20):
        assert face("credits") > 0
        assert len(told.events) == 2 * number + 2
    face("extractions.run", extraction_id, ("a.pdf", b"%PDF"), poll_interval=0.01)
    assert told.threads == {threading.get_ident()}
    operations = [event.operation for event in told.asked[20:]]
    assert operations[0] == "extractions.upload"
    assert set(operations[1:]) == {"extractions.wait"}
    assert [event.request for event in told.ended] == told.asked


def test_each_attempt_is_told(told: Told, connect: Any, extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", status=503, retry_after=0, times=2)
    face = connect(**told.hooks)
    face("credits")
    assert [event.attempt for event in told.asked] == [1, 2, 3]
    assert [event.status_code for event in told.ended] == [503, 503, 200]
    assert [event.error_type for event in told.ended] == ["ServerError", "ServerError", None]
    assert told.ended[0].headers["retry-after"] == "0"


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ({"status": 404}, NotFoundError, 404),
        ({"status": 500}, ServerError, 500),
        ({"cut": "before"}, APIConnectionError, None),
        ({"delay": 5}, APITimeoutError, None),
        ({"slow_body": 5}, APITimeoutError, 200),
    ],
)
def test_failures(
    fault: dict[str, Any],
    error: type[Exception],
    status: int | None,
    told: Told,
    connect: Any,
    extracta_emulator: Emulator,
) -> None:
    extracta_emulator.faults.add("credits", **fault)
    face = connect(**told.hooks, max_retries=0, timeout=0.4)
    with pytest.raises(error) as raised:
        face("credits")
    (response,) = told.ended
    assert (response.status_code, response.error_type) == (status, error.__name__)
    assert response.error == str(raised.value)


def test_one_hook_is_enough(told: Told, connect: Any) -> None:
    connect(on_request=told)("credits")
    assert len(told.asked) == len(told.events) == 1
    connect(on_response=told)("credits")
    assert len(told.ended) == 1
    assert len(told.events) == 2


def test_a_hook_that_raises_is_logged_and_costs_nothing(
    connect: Any, caplog: pytest.LogCaptureFixture, extraction_id: str
) -> None:
    def raising(event: Event) -> None:
        raise ZeroDivisionError("in the hook")

    face = connect(on_request=raising, on_response=raising)
    with caplog.at_level(logging.ERROR, "extracta_rs"):
        assert face("credits") > 0
        assert face("extractions.upload", extraction_id, ("a.pdf", b"%PDF")).files
    texts = [record.getMessage() for record in caplog.records]
    assert texts == [
        "on_request raised at GET /credits; the call goes on",
        "on_response raised at GET /credits; the call goes on",
        "on_request raised at POST /uploadFiles; the call goes on",
        "on_response raised at POST /uploadFiles; the call goes on",
    ]
    assert all("in the hook" in str(record.exc_info) for record in caplog.records)


@pytest.mark.parametrize("hook", ["on_request", "on_response"])
def test_what_is_no_hook(hook: str, kind: str) -> None:
    async def awaited(event: Event) -> None: ...

    class Awaited:
        async def __call__(self, event: Event) -> None: ...

    face: Any = Client if kind == "blocking" else AsyncClient
    for wrong in (1, "f", [print]):
        with pytest.raises(TypeError, match=f"{hook} must be callable"):
            face("key-of-test", **{hook: wrong})
    for wrong in (awaited, Awaited()):
        with pytest.raises(TypeError, match="it is called, not awaited"):
            face("key-of-test", **{hook: wrong})


def test_nothing_secret_is_told(told: Told, raw_server: Any) -> None:
    key = "SECRET-KEY-123"
    raw_server.answer(
        b'{"credits": 1}',
        "Set-Cookie: session=SECRET-COOKIE",
        "Set-Cookie: other=SECRET-COOKIE",
        "Location: https://bucket.example/?signature=SECRET-LOCATION",
        f"X-Echo: Bearer {key}",
        "X-Twice: a",
        "X-Twice: b",
        "X-Long: " + "l" * 5000,
    )
    headers = {"x-gateway": "SECRET-HEADER"}
    with Client(key, base_url=raw_server.url, headers=headers, **told.hooks) as client:
        assert client.credits() == 1
    assert "SECRET" not in repr(told.events)
    (response,) = told.ended
    assert response.headers["set-cookie"] == "***, ***"
    assert response.headers["x-echo"] == "Bearer ***"
    assert response.headers["x-twice"] == "a, b"
    assert len(response.headers["x-long"]) == 256
    assert response.request_id is None


def test_hooks_see_the_caller_s_context(told: Told, connect: Any) -> None:
    variable = contextvars.ContextVar[str]("variable")
    seen: list[str] = []
    face = connect(on_response=lambda event: seen.append(variable.get("none")))
    variable.set("of the caller")
    face("credits")
    assert seen == ["of the caller"]

    if isinstance(face.client, AsyncClient):
        client = face.client

        async def one(name: str) -> None:
            variable.set(name)
            await client.credits()

        async def main() -> None:
            await asyncio.gather(*(one(str(number)) for number in range(10)))

        asyncio.run(main())
        assert sorted(seen[1:]) == sorted(map(str, range(10)))


def test_a_hook_that_is_slow_keeps_no_other_call_waiting(extracta_emulator: Emulator) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(event: RequestEvent) -> None:
        if event.operation == "extractions.view":
            inside.set()
            assert go_on.wait(10)

    address = {"base_url": extracta_emulator.base_url}
    with Client(extracta_emulator.api_key, on_request=slow, **address) as client:
        made = client.extractions.create("Invoices", fields=[{"key": "total"}])
        got: list[object] = []
        blocked = threading.Thread(
            target=lambda: got.append(client.extractions.view(made.extraction_id))
        )
        blocked.start()
        assert inside.wait(10)
        # The runtime goes on, for this call as for others.
        assert client.credits() > 0
        until(lambda: client.stats().in_flight == 0)
        assert not got
        go_on.set()
        blocked.join()
        assert len(got) == 1


def test_a_hook_may_ask_itself(extracta_emulator: Emulator) -> None:
    seen: list[int] = []
    address = {"base_url": extracta_emulator.base_url}
    with (
        Client(extracta_emulator.api_key, **address) as other,
        Client(
            extracta_emulator.api_key,
            on_response=lambda event: seen.append(other.credits()),
            **address,
        ) as client,
    ):
        assert client.credits() > 0
        assert len(seen) == 1


def test_polls_between_two_results_are_told_at_once(
    told: Told, kind: str, extracta_emulator: Emulator
) -> None:
    """Nobody blocks in `next()` then; the hooks run all the same."""
    settings: dict[str, Any] = {"base_url": extracta_emulator.base_url, "min_poll_spacing": 0}
    extracta_emulator.faults.add("getBatchResults", status=500, times=12)
    options = {"poll_interval": 0.02, "max_poll_interval": 0.02}
    with Client(extracta_emulator.api_key, **settings) as client:
        made = client.extractions.create("Invoices", fields=[{"key": "total"}])
        batches = [client.extractions.upload(made.extraction_id, ("a.pdf", b"%PDF"))]
    if kind == "blocking":
        with Client(extracta_emulator.api_key, **settings, **told.hooks) as client:
            waiting = client.extractions.wait_many(batches, **options)
            until(lambda: len(told.ended) >= 5)
            assert len(list(waiting)) == 1
    else:

        async def main() -> None:
            async with AsyncClient(extracta_emulator.api_key, **settings, **told.hooks) as client:
                waiting = client.extractions.wait_many(batches, **options)
                deadline = time.monotonic() + 10
                while len(told.ended) < 5:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.01)
                assert len([one async for one in waiting]) == 1

        asyncio.run(main())
        assert told.threads == {threading.get_ident()}
    assert [event.request for event in told.ended] == told.asked


def test_a_request_that_is_given_up_is_told(
    told: Told, kind: str, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("credits", delay=30)
    settings: dict[str, Any] = {"base_url": extracta_emulator.base_url, **told.hooks}
    if kind == "blocking":
        with Client(extracta_emulator.api_key, **settings) as client:

            def ask() -> None:
                with contextlib.suppress(ClientClosedError):
                    client.credits()

            thread = threading.Thread(target=ask)
            thread.start()
            until(lambda: told.asked)
            client.close()
            thread.join()
    else:

        async def main() -> None:
            async with AsyncClient(extracta_emulator.api_key, **settings) as client:
                task = asyncio.create_task(client.credits())
                while not told.asked:
                    await asyncio.sleep(0.005)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                deadline = time.monotonic() + 10
                while not told.ended:
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.005)

        asyncio.run(main())
    until(lambda: told.ended)
    (response,) = told.ended
    assert (response.status_code, response.error_type) == (None, "CancelledError")
    assert response.error == "given up before it had ended"


def test_a_loop_that_does_not_keep_up_loses_events_but_no_results(
    extracta_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop is blocked while polls go on."""
    told = Told()
    settings: dict[str, Any] = {"base_url": extracta_emulator.base_url, "min_poll_spacing": 0}
    extracta_emulator.faults.add("getBatchResults", status=500, times=1300)

    async def main() -> None:
        async with AsyncClient(extracta_emulator.api_key, **settings, **told.hooks) as client:
            made = await client.extractions.create("Invoices", fields=[{"key": "total"}])
            batch = await client.extractions.upload(made.extraction_id, ("a.pdf", b"%PDF"))
            waiting = asyncio.create_task(
                batch.wait(poll_interval=0, max_poll_interval=0, timeout=60)
            )
            await asyncio.sleep(0)
            while client.stats().requests < 800:
                time.sleep(0.01)  # noqa: ASYNC251  the point of the test
            assert (await waiting).finished

    with caplog.at_level(logging.WARNING, "extracta_rs"):
        asyncio.run(main())
    assert any("events were not told to hooks" in text for text in caplog.messages)
    assert len(told.events) >= 1000


def test_an_interruption_in_a_hook_is_one(extracta_emulator: Emulator) -> None:
    def interrupted(event: ResponseEvent) -> None:
        raise KeyboardInterrupt

    address = {"base_url": extracta_emulator.base_url}
    with (
        Client(extracta_emulator.api_key, on_response=interrupted, **address) as client,
        pytest.raises(KeyboardInterrupt),
    ):
        client.credits()


def test_hooks_are_let_go(told: Told, connect: Any) -> None:
    face = connect(**told.hooks)
    face("credits")
    face.client.close()
    count = sys.getrefcount(told)
    face.client = None
    gc.collect()
    assert sys.getrefcount(told) <= count


def test_a_run_with_a_journal_tells_of_its_requests(
    told: Told, connect: Any, extraction_id: str, folder: Path, journal: Path
) -> None:
    face = connect(**told.hooks)
    results = face(
        "extractions.run_many", extraction_id, [folder / "0.pdf", folder / "1.pdf"],
        journal=journal, max_files_per_batch=1, poll_interval=0.01,
    )  # fmt: skip
    assert len(results) == 2
    until(lambda: len(told.ended) == len(told.asked))
    operations = [event.operation for event in told.asked]
    assert operations.count("extractions.upload") == 2
    assert "extractions.wait" in operations
    assert face.client.stats().requests == len(told.asked)


INTERRUPTED = """
import signal, sys, threading, time
from extracta_rs import Client
told = []
client = Client("test-key", base_url=sys.argv[1], on_request=told.append, on_response=told.append)
def interrupt():
    while not told:
        time.sleep(0.005)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    client.credits()
except KeyboardInterrupt:
    print("interrupted")
deadline = time.monotonic() + 10
while len(told) < 2 and time.monotonic() < deadline:
    time.sleep(0.005)
print(told[1].error_type, told[1].request == told[0])
"""


def test_what_ctrl_c_ends_is_told(extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", delay=30)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", INTERRUPTED, extracta_emulator.base_url],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("interrupted\nCancelledError True\n", "")


EXITS = """
import sys, threading, time
from extracta_rs import Client
told = []
client = Client("test-key", base_url=sys.argv[1], max_retries=0,
                on_request=told.append, on_response=told.append)
for _ in range(8):
    threading.Thread(target=client.credits, daemon=True).start()
while client.stats().requests < 8:
    time.sleep(0.001)
print("ends")
"""


def test_a_program_with_hooks_ends_while_requests_are_under_way(
    extracta_emulator: Emulator,
) -> None:
    extracta_emulator.faults.add("credits", delay=30, times=None)
    for _ in range(10):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", EXITS, extracta_emulator.base_url],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")


PROGRAM = """
import sys
from extracta_rs import Client
print({"opentelemetry", "extracta_rs._observe"} & set(sys.modules))
with Client("test-key", base_url=sys.argv[1]) as client:
    client.credits()
print({"opentelemetry", "extracta_rs._observe"} & set(sys.modules))
"""


def test_who_does_not_use_it_does_not_load_it(extracta_emulator: Emulator) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, extracta_emulator.base_url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["set()", "set()"]


@pytest.fixture(autouse=True)
def nothing_unraisable(recwarn: pytest.WarningsRecorder) -> Iterator[None]:
    yield
    assert not recwarn.list
