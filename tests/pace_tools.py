"""Several workers that share one key, and what the emulator's log says of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import child, finish
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from extracta_rs import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from extracta_rs.testing import Emulator, Request


def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis without persistence; yield its URL."""
    command = shutil.which("redis-server")
    if command is None:
        missing = "redis-server is not installed"
        required = "redis" in os.environ.get("EXTRACTA_TESTS_REQUIRE", "").split(",")
        pytest.fail(missing) if required else pytest.skip(missing)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([command, *options], stdout=log, stderr=log)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        until(lambda: answers(url))
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    with Redis.from_url(url) as client, contextlib.suppress(RedisConnectionError):
        return bool(client.ping())
    return False


def until(condition: Callable[[], bool], limit: float = 20) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it never comes"
        time.sleep(0.02)


def gaps(requests: list[Request]) -> list[float]:
    """The times between requests that follow each other, in seconds."""
    return [after.time - before.time for before, after in pairwise(requests)]


@dataclass
class Workers:
    """Processes that ask for results all the time, each with batches of its own."""

    emulator: Emulator
    shared: str
    spacing: float
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with Client(self.emulator.api_key, base_url=self.emulator.base_url) as client:
            fields = [{"key": "total", "description": "the total"}]
            created = client.extractions.create("Paced", fields=fields)
            self.tokens = [
                client.extractions.upload(created.extraction_id, (f"{n}.pdf", b"%PDF")).token()
                for n in range(8)
            ]

    def start(self, *how: str) -> None:
        """Start a worker for each of these ways to ask, all at once."""
        for way in how:
            name = f"{way}-{len(self.running)}"
            at = 2 * len(self.running) % len(self.tokens)
            url, key = self.emulator.base_url, self.emulator.api_key
            self.running[name] = child(
                "paced.py", url, key, self.shared, self.spacing, way, name,
                *self.tokens[at : at + 2], stdin=subprocess.PIPE,
            )  # fmt: skip
        for process in self.running.values():
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in self.running.values():
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()

    def asked(self) -> list[Request]:
        """What the limiter holds back, in the order in which it came."""
        return [request for request in self.emulator.requests() if request.header("x-worker")]

    def shares(self, requests: list[Request]) -> Counter[str | None]:
        return Counter(request.header("x-worker") for request in requests)

    def wait_for(self, count: int, limit: float = 60) -> None:
        until(lambda: len(self.asked()) >= count, limit)

    def end(self) -> dict[str, str]:
        """End all that still run; return what each printed."""
        running, self.running = self.running, {}
        return {name: finish(process, tell="") for name, process in running.items()}

    def kill(self) -> None:
        for process in self.running.values():
            process.kill()
            process.communicate()
