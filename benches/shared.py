"""What the benchmarks of the client share: a server in a process of its own, and contestants that
each run in a fresh process and tell what they used.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import extracta_rs
from extracta_rs import AsyncClient, testing

PEERS = ("httpx", "aiohttp", "requests", "orjson")
FILE_NAME = "invoice.pdf"
FIELDS = [{"key": "total", "description": "The total", "type": "string"}]


def about(*packages: str) -> str:
    """Name what is measured."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    ours = f"extracta_rs {extracta_rs.__version__}"
    return ", ".join([ours, *versions, f"Python {platform.python_version()}", platform.machine()])


def result(size: int) -> dict[str, Any]:
    """Return an invoice's result of about `size` bytes of JSON."""
    found: dict[str, Any] = {
        "invoice_number": "INV-000042",
        "date": "2026-11-25",
        "supplier": "Müller & Söhne GmbH",
        "currency": "EUR",
        "total": 1234.5,
        "items": [],
    }
    left = size - len(json.dumps(found)) - 250  # what the answer says around it
    while left > 0:
        number = len(found["items"])
        found["items"].append(
            {
                "description": f"Widget, large, number {number}",
                "quantity": number % 7 + 1,
                "unit_price": round(4.99 + number * 0.37, 2),
                "taxable": number % 3 > 0,
            }
        )
        left -= len(json.dumps(found["items"][-1], separators=(",", ":"))) + 1
    return found


class Child:
    """A process that runs this module's `main` and answers a line with a line."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started = self._read()
        return self

    def ask(self, question: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._arguments[0]} ended with {self._process.wait()}")
        return json.loads(line)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class EmulatorProcess(Child):
    """The emulator; every file has the same result, of the size that is asked for."""

    def __init__(self, *, result_size: int = 0, polls_until_finished: int = 0) -> None:
        super().__init__("emulator", str(result_size), str(polls_until_finished))

    @property
    def base_url(self) -> str:
        return str(self.started["base_url"])

    @property
    def api_key(self) -> str:
        return str(self.started["api_key"])

    @property
    def extraction_id(self) -> str:
        return str(self.started["extraction_id"])

    def seed(self, count: int) -> list[str]:
        """Upload one small file as a batch, so many times."""
        return list(self.ask({"seed": count}))

    def counted(self) -> dict[str, int]:
        """Return how often each endpoint was asked."""
        return dict(self.ask({"count": True}))


def answer_lines(answer: Callable[[Any], object]) -> None:
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)


def emulate(result_size: int, polls_until_finished: int) -> None:
    # By a callable each batch would take the interpreter's time: by name it is all Rust.
    results = {FILE_NAME: result(result_size)}
    with testing.Emulator(results=results, polls_until_finished=polls_until_finished) as emulator:

        async def create() -> str:
            async with AsyncClient(emulator.api_key, base_url=emulator.base_url) as client:
                created = await client.extractions.create("Invoices", fields=FIELDS)
                return created.extraction_id

        extraction_id = asyncio.run(create())

        async def seed(count: int) -> list[str]:
            async with AsyncClient(emulator.api_key, base_url=emulator.base_url) as client:

                async def upload() -> str:
                    batch = await client.extractions.upload(extraction_id, (FILE_NAME, b"%PDF"))
                    return batch.batch_id

                found: list[str] = []
                left = iter(range(count))
                while some := [upload() for _ in islice(left, 1000)]:
                    found += await asyncio.gather(*some)
                return found

        def answer(question: dict[str, int]) -> object:
            if "seed" in question:
                return asyncio.run(seed(question["seed"]))
            counts: dict[str, int] = {}
            for request in emulator._server.requests():
                counts[request["path"]] = counts.get(request["path"], 0) + 1
            return counts

        ready = {
            "base_url": emulator.base_url,
            "api_key": emulator.api_key,
            "extraction_id": extraction_id,
        }
        print(json.dumps(ready), flush=True)
        answer_lines(answer)


class Sink(asyncio.Protocol):
    """Answers an upload of announced length as the service does, and looks at nothing in it."""

    received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.head = b""
        self.left: int | None = None

    def data_received(self, data: bytes) -> None:
        if self.left is None:
            self.head += data
            head, found, data = self.head.partition(b"\r\n\r\n")
            if not found:
                return
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            assert length, "the upload must announce its length"
            self.left = int(length[1])
            if b"expect: 100-continue" in head.lower():
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.left -= len(data)
        Sink.received += len(data)
        if self.left <= 0:
            body = b'{"status":"uploaded","extractionId":"e","batchId":"b","files":[]}'
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            self.head, self.left = b"", None


async def swallow() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"base_url": f"http://127.0.0.1:{port}/api/v1"}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(Sink.received, flush=True)
        Sink.received = 0
    server.close()


class SinkProcess(Child):
    """A server that takes uploads as quickly as they come and only counts their bytes."""

    def __init__(self) -> None:
        super().__init__("sink")

    def received(self) -> int:
        """Return how many bytes of bodies came since it was asked last."""
        return int(self.ask("received"))

    @property
    def base_url(self) -> str:
        return str(self.started["base_url"])


def memory(what: str) -> int:
    """Return bytes: `VmRSS` now, `VmHWM` the peak of this process alone."""
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"^{what}:\s+(\d+) kB", text, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def cpu() -> float:
    """Return the CPU seconds of all threads of this process, the system's for it included."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(work: Callable[[], object]) -> dict[str, Any]:
    """Run what a contestant does, and return what it used and what it returned."""
    before = memory("VmRSS")
    # The peak of the imports is none of the work's.
    Path("/proc/self/clear_refs").write_text("5")
    used, start = cpu(), time.perf_counter()
    said = work()
    return {
        "said": said,
        "cpu": cpu() - used,
        "wall": time.perf_counter() - start,
        "before": before,
        "peak": memory("VmHWM"),
    }


def contestant(script: str, job: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Run `script` anew for one job and return what it printed."""
    done = subprocess.run(
        [sys.executable, script, "--job"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode:
        raise RuntimeError(f"{job}: {done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


def run_async(work: Coroutine[Any, Any, Any], loop: str) -> Any:
    """Run on asyncio's own loop or on uvloop."""
    if loop == "uvloop":
        import uvloop

        return uvloop.run(work)
    return asyncio.run(work)


def main() -> None:
    kind, *arguments = sys.argv[1:]
    if kind == "emulator":
        emulate(*map(int, arguments))
    else:
        asyncio.run(swallow())


if __name__ == "__main__":
    main()
