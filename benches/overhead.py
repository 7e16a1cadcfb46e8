"""What a call costs on asyncio, beside the least that asyncio itself asks for.

    pip install ".[bench]" && python benches/overhead.py

20,000 coroutines are gathered; each awaits one thing:

- `sleep(0)`: asyncio's own shortest wait, the measure of the others;
- `future`: an asyncio future that is resolved later on the loop: what no call can go below that
  waits for anything;
- `thread`: an asyncio future that another thread resolves with `call_soon_threadsafe`: what a
  bridge costs that is written without care;
- `at once`: a call of ours whose answer is there when it is asked for;
- `parked`: a call of ours that starts on the runtime's threads, waits there until a batch is
  finished and comes back: all that a request pays, without the request.

The calls are `next()` of a `wait_many`: on none, and on one batch that the 20,000 wait for
together (one of them gets its results, the others None). Variants run in turns; medians count.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from statistics import median

from shared import EmulatorProcess, about

from extracta_rs import AsyncClient, BatchRef

MEASURE = "sleep(0)"


class Clock:
    """CPU and wall seconds of the work, without those in which everything only waits."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        self.idle = 0.0

    def seconds(self) -> tuple[float, float]:
        wall = time.perf_counter() - self.wall - self.idle
        return time.process_time() - self.cpu, wall


async def sleep_zero(count: int) -> tuple[float, float]:
    clock = Clock()
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(count)))
    return clock.seconds()


async def future(count: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[None]] = []

    async def one() -> None:
        mine = loop.create_future()
        futures.append(mine)
        await mine

    clock = Clock()
    gathered = asyncio.gather(*(one() for _ in range(count)))
    await asyncio.sleep(0)
    for pending in futures:
        pending.set_result(None)
    await gathered
    return clock.seconds()


async def thread(count: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[None]] = []

    async def one() -> None:
        mine = loop.create_future()
        futures.append(mine)
        await mine

    def resolve() -> None:
        for pending in futures:
            loop.call_soon_threadsafe(pending.set_result, None)

    clock = Clock()
    gathered = asyncio.gather(*(one() for _ in range(count)))
    await asyncio.sleep(0)
    resolver = threading.Thread(target=resolve)
    resolver.start()
    await gathered
    resolver.join()
    return clock.seconds()


async def calls(next_of: Callable[[], Awaitable[object]], count: int) -> tuple[float, float]:
    """Await so many calls; idle is from when all are under way until the first comes back."""
    first = 0.0
    results = 0

    async def one() -> None:
        nonlocal first, results
        result = await next_of()
        if not first:
            first = time.perf_counter()
        results += result is not None

    clock = Clock()
    gathered = asyncio.gather(*(one() for _ in range(count)))
    await asyncio.sleep(0)
    started = time.perf_counter()
    await gathered
    clock.idle = max(0.0, first - started)
    assert results <= 1
    return clock.seconds()


async def rounds(server: EmulatorProcess, count: int, times: int) -> dict[str, list[list[float]]]:
    async with AsyncClient(server.api_key, base_url=server.base_url, min_poll_spacing=0) as client:
        wait_many = client.extractions.wait_many

        async def at_once(count: int) -> tuple[float, float]:
            return await calls(wait_many([])._raw.next, count)  # type: ignore[attr-defined]

        async def parked(count: int) -> tuple[float, float]:
            batch = BatchRef(extraction_id=server.extraction_id, batch_id=server.seed(1)[0])
            # Later than the last of them is under way.
            many = wait_many([batch], poll_interval=count * 50e-6)
            return await calls(many._raw.next, count)  # type: ignore[attr-defined]

        variants = {
            MEASURE: sleep_zero,
            "future": future,
            "thread": thread,
            "at once": at_once,
            "parked": parked,
        }
        found: dict[str, list[list[float]]] = {name: [] for name in variants}
        for variant in variants.values():
            await variant(100)
        for _ in range(times):
            for name, variant in variants.items():
                gc.collect()
                found[name].append([seconds / count for seconds in await variant(count)])
        return found


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--count", type=int, default=20_000, help="calls at the same time")
    options.add_argument("--rounds", type=int, default=11, help="turns of each variant")
    options.add_argument("--quick", action="store_true", help="few, only to see that it works")
    options.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = options.parse_args()
    count, times = (2_000, 3) if chosen.quick else (chosen.count, chosen.rounds)
    print(about(), file=sys.stderr)
    with EmulatorProcess() as server:
        found = asyncio.run(rounds(server, count, times))
    medians = {
        name: [median(column) for column in zip(*samples, strict=True)]
        for name, samples in found.items()
    }
    if chosen.json:
        print(json.dumps({"count": count, "seconds": medians}))
        return
    print(f"{count:,} at once, for each: CPU (all threads) and wall; x: times {MEASURE}")
    for name, (cpu, wall) in medians.items():
        ratios = [a / b for a, b in zip((cpu, wall), medians[MEASURE], strict=True)]
        print(
            f"{name:10} CPU {cpu * 1e6:6.2f} µs ({ratios[0]:5.2f}x)"
            f"   wall {wall * 1e6:6.2f} µs ({ratios[1]:5.2f}x)"
        )


if __name__ == "__main__":
    main()
