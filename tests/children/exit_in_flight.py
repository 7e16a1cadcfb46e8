"""Leave the interpreter with 200 waits in flight: half on blocked threads, half on a loop."""

import asyncio
import sys
import threading

from extracta_rs import AsyncClient, Client

base_url, extraction_id, batch_id, how = sys.argv[1:]
settings = {"api_key": "test-key", "base_url": base_url, "min_poll_spacing": 0}
waiting = {"poll_interval": 0.02, "max_poll_interval": 0.05, "timeout": None}
client = Client(**settings)
under_way = threading.Semaphore(0)


def block() -> None:
    under_way.release()
    client.extractions.wait(extraction_id, batch_id, **waiting)


async def on_loop(client: AsyncClient) -> None:
    under_way.release()
    await client.extractions.wait(extraction_id, batch_id, **waiting)


async def main() -> None:
    client = AsyncClient(**settings)
    tasks = [asyncio.create_task(on_loop(client)) for _ in range(100)]
    polled = asyncio.Event()
    await client.extractions.results(extraction_id, batch_id)
    await asyncio.sleep(0)
    polled.set()
    for _ in range(200):
        await asyncio.to_thread(under_way.acquire)
    if how == "exit":
        sys.exit(0)
    if how == "abandon":
        # The loop goes on in a daemon thread while the main thread leaves.
        ready.set()
        await asyncio.gather(*tasks)


ready = threading.Event()
for _ in range(100):
    threading.Thread(target=block, daemon=True).start()
if how == "abandon":
    threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()
    ready.wait()
else:
    asyncio.run(main())
