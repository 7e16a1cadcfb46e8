"""What waiting for thousands of batches costs, beside httpx, aiohttp and requests.

    pip install ".[bench]" && python benches/polling.py

Each contestant is a fresh process that waits for the same number of batches on a fresh emulator
(a process of its own too). A batch is polled `--polls` times in vain, then its results come and
become Python objects. Nobody pauses: what counts is the CPU time of the client's process (user and
system, all threads) for each request, which idle time does not blur. The time by the clock is the
emulator's as much as the client's. Contestants run in turns; medians count.

The peers are in their best form: one client with kept connections, bodies written and answers
read by orjson from bytes, no validation of anything; aiohttp with 100 connections and as many
tasks, httpx with 5, which suits it best, requests with 32 threads and one pool. Ours does all that
its users get: checks of the answer, `BatchResults`, retries, deadlines.

- `ours`: `asyncio.gather` of 'client.extractions.wait(..)' for every batch. What decides (statuses,
  names, ids) is there, the results are bytes that were checked and that nobody has read yet;
- `ours read`: the same, and each file's `result` is read: whole Python objects, as the peers' are;
- `ours many`: `async for` over 'client.extractions.wait_many(..)'. Where that sees many batches
  with one request it makes fewer requests; the column `requests` says so;
- `ours threads`: the blocking client, 32 threads that share it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from shared import PEERS, EmulatorProcess, about, contestant, measured, result, run_async

SIZES = {"2 KB": 2_000, "50 KB": 50_000, "1 MB": 1_000_000}
CONNECTIONS, THREADS = 100, 32
# Its pool looks through all requests with each of them: with 100 connections it takes ten times
# as long for each.
HTTPX_CONNECTIONS = 5
AT_ONCE = {"timeout": None, "poll_interval": 0.0, "max_poll_interval": 0.0, "backoff": 1.0}

Job = dict[str, Any]


def headers(job: Job) -> dict[str, str]:
    return {"Authorization": f"Bearer {job['api_key']}", "Content-Type": "application/json"}


def url(job: Job) -> str:
    return f"{job['base_url']}/getBatchResults"


def finished(answer: dict[str, Any]) -> bool:
    """Whether all of a batch is processed; the least that must be looked at."""
    files = answer.get("files")
    return bool(files) and all(file["status"] in ("processed", "failed") for file in files)


async def in_tasks(job: Job, complete: Callable[[str], Any], tasks: int) -> int:
    """Complete all batches, as many at a time as there are connections."""
    left = iter(job["batches"])

    async def work() -> int:
        return sum([await complete(batch) for batch in left])

    return sum(await asyncio.gather(*(work() for _ in range(tasks))))


def with_httpx(job: Job) -> int:
    import httpx
    import orjson

    async def run() -> int:
        limits = httpx.Limits(
            max_connections=HTTPX_CONNECTIONS, max_keepalive_connections=HTTPX_CONNECTIONS
        )
        target, extraction_id = url(job), job["extraction_id"]
        async with httpx.AsyncClient(
            limits=limits, headers=headers(job), timeout=60, trust_env=False
        ) as client:

            async def complete(batch: str) -> int:
                body = orjson.dumps({"extractionId": extraction_id, "batchId": batch})
                while True:
                    response = await client.post(target, content=body)
                    response.raise_for_status()
                    if finished(answer := orjson.loads(response.content)):
                        return len(answer["files"])

            return await in_tasks(job, complete, HTTPX_CONNECTIONS)

    return int(run_async(run(), job["loop"]))


def with_aiohttp(job: Job) -> int:
    import aiohttp
    import orjson

    async def run() -> int:
        target, extraction_id = url(job), job["extraction_id"]
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS),
            headers=headers(job),
            timeout=aiohttp.ClientTimeout(total=60),
            raise_for_status=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as session:

            async def complete(batch: str) -> int:
                body = orjson.dumps({"extractionId": extraction_id, "batchId": batch})
                while True:
                    async with session.post(target, data=body) as response:
                        answer = orjson.loads(await response.read())
                    if finished(answer):
                        return len(answer["files"])

            return await in_tasks(job, complete, CONNECTIONS)

    return int(run_async(run(), job["loop"]))


def with_requests(job: Job) -> int:
    import orjson
    import requests

    target, extraction_id = url(job), job["extraction_id"]
    with requests.Session() as session, ThreadPoolExecutor(THREADS) as pool:
        session.trust_env = False  # it would look for proxies with each request
        session.headers.update(headers(job))
        session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=THREADS))

        def complete(batch: str) -> int:
            body = orjson.dumps({"extractionId": extraction_id, "batchId": batch})
            while True:
                response = session.post(target, data=body, timeout=60)
                response.raise_for_status()
                if finished(answer := orjson.loads(response.content)):
                    return len(answer["files"])

        return sum(pool.map(complete, job["batches"]))


def settings(job: Job) -> dict[str, Any]:
    return {"base_url": job["base_url"], "min_poll_spacing": 0, "max_connections": CONNECTIONS}


def with_ours(job: Job, *, read: bool = False) -> int:
    from extracta_rs import AsyncClient

    async def run() -> int:
        async with AsyncClient(job["api_key"], **settings(job)) as client:

            async def complete(batch: str) -> int:
                results = await client.extractions.wait(job["extraction_id"], batch, **AT_ONCE)
                if read:
                    return sum(bool(file.result) for file in results)
                return len(results.files)

            return sum(await asyncio.gather(*map(complete, job["batches"])))

    return int(run_async(run(), job["loop"]))


def with_ours_read(job: Job) -> int:
    return with_ours(job, read=True)


def with_ours_many(job: Job) -> int:
    from extracta_rs import AsyncClient, BatchRef

    async def run() -> int:
        async with AsyncClient(job["api_key"], **settings(job)) as client:
            batches = [
                BatchRef(extraction_id=job["extraction_id"], batch_id=batch)
                for batch in job["batches"]
            ]
            many = client.extractions.wait_many(batches, **AT_ONCE)
            return sum([len(results.files) async for results in many])

    return int(run_async(run(), job["loop"]))


def with_ours_threads(job: Job) -> int:
    from extracta_rs import Client

    with Client(job["api_key"], **settings(job)) as client, ThreadPoolExecutor(THREADS) as pool:

        def complete(batch: str) -> int:
            return len(client.extractions.wait(job["extraction_id"], batch, **AT_ONCE).files)

        return sum(pool.map(complete, job["batches"]))


CONTESTANTS: dict[str, Callable[[Job], int]] = {
    "ours": with_ours,
    "ours read": with_ours_read,
    "ours many": with_ours_many,
    "ours threads": with_ours_threads,
    "aiohttp": with_aiohttp,
    "httpx": with_httpx,
    "requests": with_requests,
}
MODULES = {"aiohttp": "aiohttp", "httpx": "httpx", "requests": "requests"}


def compete() -> None:
    """Be one contestant: the job comes in, the figures go out."""
    job = json.load(sys.stdin)
    for module in (MODULES.get(job["name"], "extracta_rs._async"), "orjson", "asyncio"):
        __import__(module)
    used = measured(lambda: CONTESTANTS[job["name"]](job))
    assert used["said"] == len(job["batches"])
    print(json.dumps(used))


def one(name: str, size: int, count: int, chosen: argparse.Namespace) -> dict[str, float]:
    """Let one contestant complete `count` batches; returns its figures."""
    with EmulatorProcess(result_size=size, polls_until_finished=chosen.polls) as server:
        job = {
            "name": name,
            "base_url": server.base_url,
            "api_key": server.api_key,
            "extraction_id": server.extraction_id,
            "batches": server.seed(count),
            "loop": chosen.loop,
        }
        used = contestant(__file__, job, timeout=3600)
        counted = server.counted()
    requests = sum(number for path, number in counted.items() if "upload" not in path) - 1
    return {
        "requests": requests,
        "cpu_request": used["cpu"] / requests,
        "cpu_batch": used["cpu"] / count,
        "batches_s": count / used["wall"],
        "peak_mb": (used["peak"] - used["before"]) / 1e6,
    }


def rows(names: Iterable[str], chosen: argparse.Namespace) -> Iterable[dict[str, Any]]:
    for size in chosen.sizes:
        for count in chosen.batches:
            megabytes = SIZES[size] * count / 1e6
            if megabytes > chosen.megabytes:
                print(f"{size} x {count:,} is left out: {megabytes:,.0f} MB", file=sys.stderr)
                continue
            samples: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            start = time.monotonic()
            for number in range(chosen.rounds):
                if number and time.monotonic() - start > chosen.budget:
                    print(f"{size} x {count:,}: {number} rounds in time", file=sys.stderr)
                    break
                for name in names:
                    samples[name].append(one(name, SIZES[size], count, chosen))
            for name, found in samples.items():
                figures = {key: median(sample[key] for sample in found) for key in found[0]}
                yield {"size": size, "batches": count, "name": name, **figures}


def loads_alone(size: int) -> float:
    """Return the CPU seconds of orjson for an answer of the size: no client can read it in less."""
    import orjson

    answer = orjson.dumps({"files": [{"status": "processed", "result": result(size)}]})
    calls, start = 0, time.process_time()
    while (used := time.process_time() - start) < 0.3:
        orjson.loads(answer)
        calls += 1
    return used / calls


def show(found: list[dict[str, Any]]) -> None:
    """Print the lines of one size and count, each beside ours."""
    ours = found[0]["cpu_request"]
    for row in found:
        print(
            f"{row['size']:>6} {row['batches']:>7,}  {row['name']:13}"
            f"{row['requests']:>9,.0f}{row['cpu_request'] * 1e6:>11,.0f}"
            f"{row['cpu_request'] / ours:>8.1f}x{row['cpu_batch'] * 1e6:>11,.0f}"
            f"{row['batches_s']:>10,.0f}{row['peak_mb']:>8,.0f}",
            flush=True,
        )
    alone = loads_alone(SIZES[found[0]["size"]])
    print(
        f"{'':16}orjson.loads of its results alone: {alone * 1e6:,.0f} µs for a batch", flush=True
    )


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--sizes", nargs="*", choices=list(SIZES), default=list(SIZES))
    options.add_argument("--batches", nargs="*", type=int, default=[1_000, 10_000])
    options.add_argument("--polls", type=int, default=4, help="polls of a batch that are in vain")
    options.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    options.add_argument("--budget", type=float, default=300, help="seconds for a row's rounds")
    options.add_argument("--megabytes", type=float, default=1_000, help="largest row, in results")
    options.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    options.add_argument("--only", nargs="*", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    options.add_argument("--quick", action="store_true", help="few, only to see that it works")
    options.add_argument("--json", action="store_true", help="print the figures as JSON")
    options.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.job:
        compete()
        return
    if chosen.quick:
        chosen.sizes, chosen.batches, chosen.rounds = ["2 KB"], [100], 1
    print(about(*PEERS), f"loop {chosen.loop}", sep=", ", file=sys.stderr)
    if not chosen.json:
        print(f"{'size':>6} {'batches':>7}  {'':13}{'requests':>9}{'CPU µs for':>11}{'':9}", end="")
        print(f"{'CPU µs for':>11}{'batches':>10}{'peak':>8}")
        print(f"{'':25}{'':>12}{'a request':>11}{'of ours':>9}{'a batch':>11}", end="")
        print(f"{'a second':>10}{'MB':>8}")
    everything: list[dict[str, Any]] = []
    part: list[dict[str, Any]] = []
    for row in rows(chosen.only, chosen):
        everything.append(row)
        part.append(row)
        if len(part) == len(chosen.only) and not chosen.json:
            show(part)
            part = []
    if chosen.json:
        print(json.dumps(everything))


if __name__ == "__main__":
    main()
