"""The event loop goes on while deliveries are verified."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from extracta_rs import sign, unwrap
from extracta_rs.contrib import _common

SECRET = "E_AI_K_adäpters"
ASYNC = ["fastapi", "starlette", "starlette-sync", "asgi", "django-async"]
ROW = {"description": "Wïdget", "quantity": 3, "price": 12.5, "ok": True, "tags": ["a", "b"]}


def large_body() -> bytes:
    rows = [ROW] * (10_000_000 // 95)
    files = [{"fileId": "f", "status": "processed", "result": {"rows": rows}}]
    body = json.dumps({"result": files}, separators=(",", ":"), ensure_ascii=False).encode()
    assert 8_000_000 < len(body) <= 10_000_000
    return body


@pytest.fixture(scope="module")
def body() -> bytes:
    return large_body()


@pytest.mark.parametrize("kind", ASYNC)
def test_the_loop_turns_during_each_verification(
    serve: Callable[..., Any], kind: str, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = []

    def unwrap_when_the_loop_has_turned(*args: Any) -> Any:
        turn = threading.Event()
        site.loop.call_soon_threadsafe(turn.set)
        turned.append(turn.wait(20))  # for ever, if this is called on the loop
        return unwrap(*args)

    monkeypatch.setattr(_common, "unwrap", unwrap_when_the_loop_has_turned)
    site = serve(kind, SECRET)
    assert site.deliver(body).status == 204
    assert turned == [True]


@pytest.mark.parametrize("kind", ASYNC)
def test_ten_large_deliveries_at_once_do_not_hold_up_the_loop(
    serve: Callable[..., Any], kind: str, body: bytes
) -> None:
    site = serve(kind, SECRET)
    signature = sign(body, SECRET)
    started = time.perf_counter()
    event = unwrap(body, signature, SECRET)
    assert event.files
    assert event.dedupe_keys
    alone = time.perf_counter() - started
    gaps: list[float] = []
    done = threading.Event()

    async def tick() -> None:
        before = time.perf_counter()
        while not done.is_set():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            gaps.append(now - before)
            before = now

    ticking = asyncio.run_coroutine_threadsafe(tick(), site.loop)
    with ThreadPoolExecutor(10) as pool:
        statuses = [answer.status for answer in pool.map(site.deliver, [body] * 10)]
    done.set()
    ticking.result(60)
    print(kind, f"alone {alone:.3f}", f"worst gap {max(gaps):.3f}", len(gaps))
    assert statuses == [204] * 10
    assert len(site.events) == 10
