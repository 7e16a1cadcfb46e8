"""End an event loop, or the interpreter under it, with calls under way: loop_ended.py HOW PHASE ...

It ends when it is told to, by a byte on standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any

from extracta_rs import AsyncClient, BatchRef

how, phase, url, extraction_id, batch_id, folder = sys.argv[1:]
client = AsyncClient(
    "test-key",
    base_url=url,
    max_connections=1 if phase == "line" else 100,
    min_poll_spacing=3600 if phase == "gate" else 0,
    connect_timeout=60,
)
kept: list[asyncio.Task[Any]] = []


def call(number: int) -> Any:
    calls = client.extractions
    if phase == "sending":
        return calls.upload("x", ("a.pdf", bytes(8 << 20)))
    if phase == "gate":
        return calls.results(extraction_id, batch_id)
    if phase == "sleeping":
        return calls.wait(extraction_id, batch_id, poll_interval=0.01, max_poll_interval=3600)
    if phase in ("sweeping", "running"):
        return through(number)
    return client.credits()


async def through(number: int) -> None:
    calls = client.extractions
    batch = BatchRef(extraction_id=extraction_id, batch_id=batch_id)
    if phase == "sweeping":
        told: Any = calls.wait_many([batch], poll_interval=0.01)
    else:
        journal = f"{folder}/{number}.journal"
        told = calls.run_many(extraction_id, [(f"{number}.pdf", b"%PDF")], journal=journal)
    async for _ in told:
        pass


async def main() -> None:
    kept.extend(asyncio.ensure_future(call(number)) for number in range(5))
    for task in kept:
        # What asyncio says of any task that its loop left behind.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    end = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, end.set)
    await end.wait()
    os.read(sys.stdin.fileno(), 1)
    asyncio.get_running_loop().remove_reader(sys.stdin)
    if phase == "gate":
        # One had the turn, and has its answer.
        await asyncio.wait(kept, return_when=asyncio.FIRST_COMPLETED)
    assert sum(task.done() for task in kept) == (phase == "gate")


if how == "returned":
    asyncio.run(main())
elif how == "closed":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()
else:
    ready = threading.Event()

    async def forever() -> None:
        await main()
        ready.set()
        await asyncio.sleep(3600)

    threading.Thread(target=asyncio.run, args=(forever(),), daemon=True).start()
    ready.wait()
print("ended")
