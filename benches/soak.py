"""Uses a client for a long time while the service misbehaves, and watches for leaks.

    python benches/soak.py [--minutes 30] [--seed 1]

An emulator in a process of its own answers with random faults. This process uploads, waits (alone,
many at once, with webhooks), cancels, times out, verifies webhooks and keeps a journal, on threads
and on an event loop. Memory, file descriptors, threads and tasks are sampled; the slope of memory
is fitted over the second half. Exits with 1 if something leaks.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from extracta_rs import (
    AsyncClient,
    Client,
    ExtractaError,
    Journal,
    sign,
    unwrap,
    verify_signature,
)
from extracta_rs.testing import Emulator

FIELDS = [{"key": "total", "description": "the total", "example": "12.50"}]
ENDPOINTS = ("uploadFiles", "getBatchResults", "viewExtraction", "credits")
SETTINGS: dict[str, Any] = {
    "min_poll_spacing": 0.02,
    "timeout": 1.0,
    "connect_timeout": 1.0,
    "max_retries": 1,
}
WAIT: dict[str, Any] = {"poll_interval": 0.05, "max_poll_interval": 0.3, "timeout": 3.0}
# What a healthy process may gain in an hour: the allocator's noise, not a leak of each call.
MOST_KB_A_MINUTE = 60.0
# A client remembers the latest 1,000 uploads that nobody waits for: full from the start, they do
# not look like a leak.
UPLOADS = 2_100
PAUSE = 0.15
LONG = 5.0  # minutes from which on the slope counts
RENEWED = 20


def serve(seed: int) -> None:
    """Run an emulator whose answers go wrong until stdin is closed; start anew to forget."""
    chance = random.Random(seed)
    with Emulator(processing_time=0.2, seed=seed, results={"big.pdf": {"text": "x" * 100_000}}) as (
        emulator
    ):
        print(json.dumps(emulator.base_url), flush=True)
        ended = threading.Event()
        threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
        while not ended.wait(0.25):
            if emulator.faults.pending() > 20:
                emulator.faults.clear()
            emulator.faults.add(chance.choice(ENDPOINTS), **fault(chance))


def fault(chance: random.Random) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [
        {"status": 429},
        {"status": 429, "retry_after": 0.2},
        {"status": 500},
        {"status": 502, "body": "<html>Bad gateway</html>"},
        {"status": 503, "retry_after": 0.1},
        {"status": 502, "carry_out": True},
        {"cut": "before"},
        {"cut": "after"},
        {"cut": "mid"},
        {"malformed": True},
        {"delay": 1.5},
        {"slow_body": 1.5},
        {"body": '{"files": 3}'},
    ]
    return chance.choice(kinds)


class Soak:
    """What is done over and over."""

    def __init__(self, base_url: str, seed: int, uploads: int) -> None:
        self.base_url, self.chance, self.uploads = base_url, random.Random(seed), uploads
        self.done: Counter[str] = Counter()
        self.ended = threading.Event()
        self.place = Path(tempfile.mkdtemp(prefix="extracta-soak-"))

    def count(self, what: str, error: BaseException | None = None) -> None:
        self.done[f"{what}: {type(error).__name__}" if error else what] += 1

    def block(self) -> None:
        """Work on a thread."""
        with Client("test-key", base_url=self.base_url, **SETTINGS) as client:
            self.fill(client)
            extraction_id = ""
            for turn in itertools.count():
                if self.ended.wait(PAUSE):
                    return
                # An extraction's list of batches must not grow with the time.
                if not extraction_id or turn % RENEWED == 0:
                    with contextlib.suppress(ExtractaError):
                        made = client.extractions.create("Soak", fields=FIELDS)
                        extraction_id = made.extraction_id
                    if not extraction_id:
                        continue
                for step in (self.one, self.many, self.journaled):
                    try:
                        step(client, extraction_id)
                        self.count(step.__name__)
                    except ExtractaError as error:
                        self.count(step.__name__, error)
                self.webhook()

    def fill(self, client: Client) -> None:
        made = 0
        while made < self.uploads and not self.ended.is_set():
            with contextlib.suppress(ExtractaError):
                extraction_id = client.extractions.create("Fill", fields=FIELDS).extraction_id
                for _ in range(100):
                    client.extractions.upload(extraction_id, ("a", b"%PDF"))
                    made += 1

    def one(self, client: Client, extraction_id: str) -> None:
        client.credits()
        big = self.chance.random() < 0.2
        name = "big.pdf" if big else "a.pdf"
        client.extractions.run(extraction_id, (name, b"%PDF" * (20_000 if big else 1)), **WAIT)

    def many(self, client: Client, extraction_id: str) -> None:
        batches = []
        for number in range(4):
            with contextlib.suppress(ExtractaError):
                batches.append(client.extractions.upload(extraction_id, (f"{number}", b"%PDF")))
        waiting = client.extractions.wait_many(iter(batches), **WAIT)
        if self.chance.random() < 0.3:
            next(waiting, None)  # The rest is left alone.
            return
        for _results in waiting:
            pass

    def journaled(self, client: Client, extraction_id: str) -> None:
        path = self.place / f"{threading.get_ident()}-{time.monotonic_ns()}"
        files = [(f"{number}.pdf", str(number).encode()) for number in range(6)]
        try:
            for _results in client.extractions.run_many(
                extraction_id, files, journal=path, max_files_per_batch=2, settle_time=0.2, **WAIT
            ):
                pass
        finally:
            with Journal(path) as journal:
                journal.status()
            # A pattern for each journal would stay in Python's caches of patterns.
            for left in os.listdir(self.place):  # noqa: PTH208  no paths wanted
                if left.startswith(path.name):
                    (self.place / left).unlink(missing_ok=True)

    def webhook(self) -> None:
        body = json.dumps({"event": "e", "result": [{"fileId": "x" * 10, "status": "processed"}]})
        header = sign(body, "secret")
        assert verify_signature(body, header, "secret")
        assert not verify_signature(body + " ", header, "other")
        assert unwrap(body, header, ["new", "secret"]).files[0].status == "processed"
        self.count("webhook")

    async def on_loop(self) -> None:
        """Work on an event loop, with cancellations."""
        async with AsyncClient("test-key", base_url=self.base_url, **SETTINGS) as client:
            await self.fill_async(client)
            extraction_id = ""
            for turn in itertools.count():
                await asyncio.sleep(PAUSE)
                if self.ended.is_set():
                    return
                if not extraction_id or turn % RENEWED == 0:
                    with contextlib.suppress(ExtractaError):
                        made = await client.extractions.create("Soak", fields=FIELDS)
                        extraction_id = made.extraction_id
                    if not extraction_id:
                        continue
                try:
                    async with asyncio.timeout(self.chance.uniform(0.01, 2)):
                        batch = await client.extractions.upload(extraction_id, ("a", b"%PDF"))
                        await asyncio.gather(
                            *[batch.wait(**WAIT) for _ in range(5)], return_exceptions=True
                        )
                    self.count("on_loop")
                except (ExtractaError, TimeoutError) as error:
                    self.count("on_loop", error)

    async def fill_async(self, client: AsyncClient) -> None:
        made = 0
        while made < self.uploads and not self.ended.is_set():
            with contextlib.suppress(ExtractaError):
                extraction_id = (await client.extractions.create("F", fields=FIELDS)).extraction_id
                for _ in range(100):
                    await client.extractions.upload(extraction_id, ("a", b"%PDF"))
                    made += 1

    def loop(self) -> None:
        async def several() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(3):
                    group.create_task(self.on_loop())

        asyncio.run(several())


def sample() -> dict[str, float]:
    """Return what this process holds now."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    found = dict(line.split(":", 1) for line in status.splitlines())
    return {
        "kB": float(found["VmRSS"].split()[0]),
        "fds": float(len(os.listdir("/proc/self/fd"))),  # noqa: PTH208  no paths wanted
        "threads": float(found["Threads"]),
    }


def slope(samples: list[tuple[float, float]]) -> float:
    """Fit a line; return its slope a minute."""
    mean_x = sum(x for x, _ in samples) / len(samples)
    mean_y = sum(y for _, y in samples) / len(samples)
    above = sum((x - mean_x) * (y - mean_y) for x, y in samples)
    return 60 * above / (sum((x - mean_x) ** 2 for x, _ in samples) or 1.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.seed)
        return 0
    command = [sys.executable, __file__, "--serve", "--seed", str(options.seed)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        uploads = UPLOADS if options.minutes >= LONG else 0
        soak = Soak(json.loads(server.stdout.readline()), options.seed, uploads)
        before = sample()
        workers = [threading.Thread(target=soak.block) for _ in range(3)]
        workers.append(threading.Thread(target=soak.loop))
        for worker in workers:
            worker.start()
        started = time.monotonic()
        samples = []
        while (now := time.monotonic() - started) < options.minutes * 60:
            time.sleep(min(5.0, options.minutes * 6))
            samples.append((now, sample()))
        soak.ended.set()
        for worker in workers:
            worker.join(60)
        stuck = sum(worker.is_alive() for worker in workers)
        after = sample()
        server.stdin.close()
    half = samples[len(samples) // 2 :]
    gained = slope([(now, found["kB"]) for now, found in half])
    used = os.times()
    told = {
        "minutes": round(options.minutes, 2),
        "steps": dict(sorted(soak.done.items())),
        "kB a minute": round(gained, 1),
        "MB": [round(found["kB"] / 1024, 1) for _, found in half[:: max(1, len(half) // 6)]],
        "fds": [before["fds"], max(found["fds"] for _, found in samples), after["fds"]],
        "threads": [before["threads"], max(f["threads"] for _, f in samples), after["threads"]],
        "stuck workers": stuck,
        "% of a core": round(100 * (used.user + used.system) / (options.minutes * 60), 1),
    }
    print(json.dumps(told, indent=2))
    # The clients are closed: what stays are the runtime's own, and idle threads that end later.
    leaks = stuck or after["fds"] > before["fds"] + 16 or after["threads"] > before["threads"] + 24
    return bool(leaks or (options.minutes >= LONG and gained > MOST_KB_A_MINUTE))


if __name__ == "__main__":
    sys.exit(main())
