"""Fork with waits in flight; the child uses the same client, blocking and on a loop."""

import asyncio
import os
import sys
import threading

from extracta_rs import AsyncClient, Client

base_url, extraction_id, batch_id, times = sys.argv[1:]
settings = {"api_key": "test-key", "base_url": base_url, "min_poll_spacing": 0}
client = Client(**settings)
on_loop = AsyncClient(**settings)


def block() -> None:
    client.extractions.wait(
        extraction_id, batch_id, poll_interval=0.005, max_poll_interval=0.01, timeout=None
    )


async def loop() -> list[int]:
    return await asyncio.gather(*[on_loop.credits() for _ in range(10)])


asyncio.run(loop())
for _ in range(20):
    threading.Thread(target=block, daemon=True).start()
for _ in range(int(times)):
    pid = os.fork()
    if pid == 0:
        fine = client.credits() > 0 and len(asyncio.run(loop())) == 10
        # Some children leave like an ordinary process, with its exit handlers.
        (os._exit if os.getpid() % 2 else sys.exit)(0 if fine else 1)
    _, status = os.waitpid(pid, 0)
    if status:
        print("child ended with", status, flush=True)
    client.credits()
