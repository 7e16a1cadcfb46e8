"""What uploading a large file costs, beside httpx, aiohttp and requests.

    pip install ".[bench]" && python benches/upload.py

A file of 1 GB on the disk goes out as one multipart form with a field, to a server in a process of
its own that throws the bytes away (the emulator hashes them, and would be all that is measured).
Each contestant is a fresh process; they run in turns, medians count: CPU seconds of the client
(user and system, all threads), and how far its memory grew above what it was before the upload.

The peers are in their best form: httpx gets the open file as `files=`, aiohttp a `FormData` of it,
requests the streaming encoder of requests-toolbelt, as its documentation asks for large files:
by itself requests would read the whole file into memory (`requests, plain`, left out of `--quick`
and above `--plain-megabytes`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from shared import PEERS, SinkProcess, about, contestant, measured

Job = dict[str, Any]

KEY = "test-key"
HEADERS = {"Authorization": f"Bearer {KEY}"}
EXTRACTION = "e"
FIELDS = {"extractionId": EXTRACTION}
NAME, TYPE = "scans.pdf", "application/pdf"


def url(job: Job) -> str:
    return f"{job['base_url']}/uploadFiles"


def with_ours(job: Job) -> None:
    from extracta_rs import Client

    with Client(KEY, base_url=job["base_url"]) as client:
        client.extractions.upload(EXTRACTION, job["path"])


def with_ours_asyncio(job: Job) -> None:
    from extracta_rs import AsyncClient

    async def run() -> None:
        async with AsyncClient(KEY, base_url=job["base_url"]) as client:
            await client.extractions.upload(EXTRACTION, job["path"])

    asyncio.run(run())


def with_httpx(job: Job) -> None:
    import httpx

    async def run() -> None:
        with Path(job["path"]).open("rb") as file:  # noqa: ASYNC230  as its documentation does
            async with httpx.AsyncClient(headers=HEADERS, timeout=60, trust_env=False) as client:
                files = {"files": (NAME, file, TYPE)}
                response = await client.post(url(job), data=FIELDS, files=files)
                response.raise_for_status()

    asyncio.run(run())


def with_aiohttp(job: Job) -> None:
    import aiohttp

    async def run() -> None:
        with Path(job["path"]).open("rb") as file:  # noqa: ASYNC230  as its documentation does
            form = aiohttp.FormData(FIELDS)
            form.add_field("files", file, filename=NAME, content_type=TYPE)
            timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
            async with (
                aiohttp.ClientSession(headers=HEADERS, timeout=timeout) as session,
                session.post(url(job), data=form) as response,
            ):
                response.raise_for_status()
                await response.read()

    asyncio.run(run())


def with_requests(job: Job) -> None:
    import requests
    from requests_toolbelt import MultipartEncoder

    with Path(job["path"]).open("rb") as file, requests.Session() as session:
        form = MultipartEncoder({**FIELDS, "files": (NAME, file, TYPE)})
        headers = {**HEADERS, "Content-Type": form.content_type}
        response = session.post(url(job), data=form, headers=headers, timeout=60)
        response.raise_for_status()


def with_requests_plain(job: Job) -> None:
    import requests

    with Path(job["path"]).open("rb") as file, requests.Session() as session:
        files = {"files": (NAME, file, TYPE)}
        response = session.post(url(job), data=FIELDS, files=files, headers=HEADERS, timeout=60)
        response.raise_for_status()


CONTESTANTS: dict[str, Callable[[Job], None]] = {
    "ours": with_ours,
    "ours asyncio": with_ours_asyncio,
    "aiohttp": with_aiohttp,
    "httpx": with_httpx,
    "requests": with_requests,
    "requests, plain": with_requests_plain,
}
MODULES = {
    "aiohttp": "aiohttp",
    "httpx": "httpx",
    "requests": "requests_toolbelt",
    "requests, plain": "requests",
}


def compete() -> None:
    """Be one contestant: the job comes in, the figures go out."""
    job = json.load(sys.stdin)
    for module in (MODULES.get(job["name"], "extracta_rs._async"), "asyncio"):
        __import__(module)
    print(json.dumps(measured(lambda: CONTESTANTS[job["name"]](job))))


def rounds(names: list[str], size: int, times: int) -> dict[str, dict[str, float]]:
    samples: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder, SinkProcess() as sink:
        path = Path(folder) / NAME
        block = bytes(range(256)) * 4096
        with path.open("wb") as file:
            for start in range(0, size, len(block)):
                file.write(block[: size - start])
        for _ in range(times):
            for name in names:
                job = {"name": name, "base_url": sink.base_url, "path": str(path)}
                used = contestant(__file__, job, timeout=600)
                # The form around the file has some hundred bytes.
                assert 0 < sink.received() - size < 2_000, name
                samples[name].append(
                    {
                        "cpu": used["cpu"],
                        "wall": used["wall"],
                        "peak_mb": (used["peak"] - used["before"]) / 1e6,
                    }
                )
    return {
        name: {key: median(sample[key] for sample in found) for key in found[0]}
        for name, found in samples.items()
    }


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--megabytes", type=int, default=1_000, help="size of the file")
    options.add_argument("--plain-megabytes", type=int, default=1_000, help="at most in memory")
    options.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    options.add_argument("--only", nargs="*", choices=list(CONTESTANTS), default=list(CONTESTANTS))
    options.add_argument("--quick", action="store_true", help="little, only to see that it works")
    options.add_argument("--json", action="store_true", help="print the figures as JSON")
    options.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.job:
        compete()
        return
    if chosen.quick:
        chosen.megabytes, chosen.rounds, chosen.plain_megabytes = 20, 1, 0
    names = [
        name
        for name in chosen.only
        if name != "requests, plain" or chosen.megabytes <= chosen.plain_megabytes
    ]
    print(about(*PEERS, "requests-toolbelt"), file=sys.stderr)
    found = rounds(names, chosen.megabytes * 1_000_000, chosen.rounds)
    if chosen.json:
        print(json.dumps({"megabytes": chosen.megabytes, "figures": found}))
        return
    first = next(iter(found.values()))
    print(f"{chosen.megabytes:,} MB{'':10}{'CPU s':>8}{'of ours':>9}{'MB/s':>8}{'peak MB':>9}")
    for name, row in found.items():
        print(
            f"{name:16}{row['cpu']:>10.2f}{row['cpu'] / first['cpu']:>8.1f}x"
            f"{chosen.megabytes / row['wall']:>8,.0f}{row['peak_mb']:>9,.1f}"
        )


if __name__ == "__main__":
    main()
