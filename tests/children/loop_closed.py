"""Ends an event loop with calls in flight: loop_closed.py URL HOW."""

import asyncio
import sys

from extracta_rs import AsyncClient

url, how = sys.argv[1:]


async def main() -> None:
    client = AsyncClient("test-key", base_url=url)
    tasks = [asyncio.ensure_future(client.credits()) for _ in range(50)]
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in tasks)
    kept.extend(tasks)


kept: list[object] = []
if how == "run":
    asyncio.run(main())
else:
    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    for task in kept:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own noise
    loop.close()
print("ended")
