"""The event loop goes on while large deliveries are verified and parsed.

Counts the turns of the loop rather than seconds: on a busy machine only the latter vary.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from extracta_rs import WebhookEvent
from extracta_rs.contrib._common import LARGE, Receiver

SECRET = "E_AI_K_adäpters"
ASYNC = ["fastapi", "starlette", "asgi", "django-async"]


def body_of(size: int) -> bytes:
    row = {"description": "Wïdget " * 30, "quantity": 3, "price": 12.5, "tags": ["a", "b"]}
    rows = [row] * (size // 305)
    files = [{"fileId": "f", "status": "processed", "result": {"rows": rows}}]
    return json.dumps({"result": files}, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize("kind", ASYNC)
def test_the_loop_turns_while_ten_large_bodies_are_verified(
    serve: Callable[..., Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = body_of(10_000_000)
    assert 9_000_000 < len(body) <= 10_000_000
    opened: list[int] = []
    threads = set()
    turns = 0
    done = threading.Event()
    original = Receiver.open_whole

    async def turn() -> threading.Thread:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0.001)
        return threading.current_thread()

    def counted(receiver: Receiver, *args: Any) -> WebhookEvent:
        before = turns
        event = original(receiver, *args)
        opened.append(turns - before)
        threads.add(threading.current_thread())
        return event

    monkeypatch.setattr(Receiver, "open_whole", counted)
    site = serve(kind, SECRET)
    turning = asyncio.run_coroutine_threadsafe(turn(), site.loop)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(site.deliver, [body] * 10))
    done.set()
    loop = turning.result(60)
    assert [answer.status for answer in answers] == [204] * 10
    assert len(opened) == 10
    assert loop not in threads
    # Were they verified on the loop, or did they keep Python from it, it would never have turned.
    # One alone may end between two turns of a loop that is busy receiving the others.
    assert sum(opened) >= 5
    for event in site.events:
        assert "dedupe_keys" in vars(event), "made when the handler is called"


@pytest.mark.parametrize("kind", ASYNC)
def test_a_small_body_costs_no_change_of_threads(
    serve: Callable[..., Any], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    original = Receiver.open

    def noted(receiver: Receiver, *args: Any) -> WebhookEvent:
        threads.append(threading.current_thread())
        return original(receiver, *args)

    monkeypatch.setattr(Receiver, "open", noted)
    site = serve(kind, SECRET)
    site.loop.call_soon_threadsafe(lambda: threads.append(threading.current_thread()))
    for size in (LARGE // 2, LARGE * 2):
        assert site.deliver(body_of(size)).status == 204
    loop, small, large = threads
    assert small is loop
    assert large is not loop
