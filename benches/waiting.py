"""What waiting on many batches costs: memory, processor time, requests.

    python benches/waiting.py [--counts 100 1000 10000 100000] [--seconds 30]

An emulator in a process of its own holds the batches; the client waits on all of them in a fresh
process. First nothing changes for some seconds (default spacing and intervals), then all batches
are finished and fetched (spacing 0.1 ms). Peak memory is counted above the import of the package.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time
from collections import Counter

from extracta_rs import AsyncClient, BatchRef, Client
from extracta_rs.testing import Emulator

FIELDS = [{"key": "total", "description": "the total", "example": "12.50"}]
WARM_UP = 10.0


def serve(count: int, processing_time: float) -> None:
    """Run an emulator with so many batches until stdin is closed; tell of it on stdout."""
    with Emulator(processing_time=processing_time) as emulator:
        extraction_id, batch_ids = asyncio.run(fill(emulator, count))
        before = len(emulator.requests())
        print(json.dumps([emulator.base_url, extraction_id, batch_ids]), flush=True)
        for _line in sys.stdin:
            counted = Counter(r.endpoint for r in emulator.requests()[before:])
            print(json.dumps(counted), flush=True)


async def fill(emulator: Emulator, count: int) -> tuple[str, list[str]]:
    async with AsyncClient(emulator.api_key, base_url=emulator.base_url) as client:
        made = await client.extractions.create("Bench", fields=FIELDS)
        batch_ids: list[str] = []

        async def upload() -> None:
            while len(batch_ids) < count:
                batch_ids.append("")
                place = len(batch_ids) - 1
                batch = await client.extractions.upload(made.extraction_id, ("a.pdf", b"%PDF"))
                batch_ids[place] = batch.batch_id

        await asyncio.gather(*[upload() for _ in range(50)])
        return made.extraction_id, batch_ids


def usage() -> tuple[float, float]:
    """Return the processor seconds and the peak memory in MB of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def wait(seconds: float) -> None:
    """Wait on the batches that stdin names; print what it cost."""
    base_url, extraction_id, batch_ids = json.loads(sys.stdin.readline())
    batches = [BatchRef(extraction_id=extraction_id, batch_id=batch_id) for batch_id in batch_ids]
    spacing = 2.0 if seconds else 0.0001
    with Client("test-key", base_url=base_url, min_poll_spacing=spacing) as client:
        before = usage()
        started = time.perf_counter()
        waiting = client.extractions.wait_many(batches)
        if seconds:
            time.sleep(WARM_UP)
            warm = usage()
            time.sleep(seconds)
            now = usage()
            share = 100 * (now[0] - warm[0]) / seconds
            print(json.dumps({"MB": now[1] - before[1], "% of a core": share}))
        else:
            count = sum(1 for results in waiting if results.finished)
            took = time.perf_counter() - started
            now = usage()
            micros = 1e6 * (now[0] - before[0]) / count
            print(json.dumps({"count": count, "MB": now[1] - before[1], "s": took, "us": micros}))


def measured(count: int, seconds: float) -> dict[str, float]:
    """Run an emulator and a client; return what they tell."""
    processing = 1e6 if seconds else 0.0
    command = [sys.executable, __file__]
    with subprocess.Popen(
        [*command, "--serve", str(count), str(processing)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        line = server.stdout.readline()
        client = [*command, "--wait", str(seconds)]
        ran = subprocess.run(client, input=line, capture_output=True, text=True, check=True)
        server.stdin.write("\n")
        server.stdin.flush()
        found: dict[str, float] = json.loads(ran.stdout)
        found.update(json.loads(server.stdout.readline()))
        server.stdin.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--wait", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(int(options.serve[0]), float(options.serve[1]))
        return
    if options.wait is not None:
        wait(options.wait)
        return
    print(
        "| batches | waiting: MB above import | % of a core | looks in"
        f" {WARM_UP + options.seconds:.0f} s | finishing: MB | us CPU a batch"
        " | getBatchResults a batch | looks |"
    )
    print("|--:" * 8 + "|")
    for count in options.counts:
        idle = measured(count, options.seconds)
        done = measured(count, 0.0)
        assert done["count"] == count
        print(
            f"| {count:,} | {idle['MB']:.1f} | {idle['% of a core']:.2f}"
            f" | {idle.get('viewExtraction', 0)} + {idle.get('getBatchResults', 0)} polls"
            f" | {done['MB']:.1f} | {done['us']:.0f}"
            f" | {done['getBatchResults'] / count:.3f} | {done.get('viewExtraction', 0)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
