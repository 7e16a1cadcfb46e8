"""A cancelled asyncio call ends at once in whatever phase it is, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from extracta_rs import AsyncClient, BatchRef
from extracta_rs.testing import Emulator

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
CREDITS = b'{"credits": 7}'
BUSY = b"HTTP/1.1 429 No\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n"
UPLOAD = 32 << 20
SPACING = 1.0
AT_ONCE = 0.2
PHASES = [
    "connecting", "handshake", "line", "gate", "sending", "sending encrypted", "headers", "body",
    "pause",
]  # fmt: skip


def sockets() -> int:
    """Return how many sockets this process has."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        # What lists them is gone by now.
        with contextlib.suppress(FileNotFoundError):
            found += "socket:" in str(link.readlink())
    return found


async def hold(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it never became true"
        await asyncio.sleep(0.005)


class Server:
    """Goes so far with each request and no further; knows whether the client went away."""

    def __init__(self, phase: str) -> None:
        self.phase = phase
        self.reached = asyncio.Event()
        self.drain = asyncio.Event()
        self.received = 0
        self.healthy = False
        self.requests = 0
        self.open = 0
        self.tls: ssl.SSLContext | None = None
        self.filling: socket.socket | None = None
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.address = self.socket.getsockname()
        self.listening: asyncio.Server | None = None
        self.talks: set[asyncio.Task[object] | None] = set()

    async def begin(self) -> None:
        self.listening = await asyncio.start_server(self.serve, sock=self.socket, backlog=100)
        if self.filling:
            self.filling.close()

    async def end(self) -> None:
        assert self.listening
        self.listening.close()
        for talk in self.talks:
            if talk:
                talk.cancel()
        await hold(lambda: self.open == 0)

    def is_waited_for(self) -> bool:
        """Whether somebody waits for this server to accept."""
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        port = f":{self.address[1]:04X}"
        return any(line[2].endswith(port) and line[3] == "02" for line in lines)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.talks.add(asyncio.current_task())
        try:
            if self.tls and (self.healthy or self.phase != "handshake"):
                await writer.start_tls(self.tls)
            while await self.talk(reader, writer):
                pass
            while data := await reader.read(65536):
                self.received += len(data)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            # Not closed: that of TLS takes its time.
            writer.transport.abort()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()
            self.open -= 1

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; whether there may be another one."""
        if self.phase == "handshake" and not self.healthy:
            await reader.readexactly(1)
            self.reached.set()
            return False
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        if self.healthy or self.phase in ("gate", "connecting"):
            lines = head.lower().split(b"\r\n")
            length = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
            await reader.readexactly(sum(length))
            body = CREDITS if b"/credits" in head else b'{"status": "processed", "files": []}'
            writer.write(HEAD % len(body) + body)
            self.reached.set()
            return True
        if self.phase.startswith("sending"):
            await reader.readexactly(1000)
            self.reached.set()
            await self.drain.wait()  # Until then the client cannot be done sending.
            return False
        answer = {"body": HEAD % 100 + b"{", "pause": BUSY}.get(self.phase, b"")
        writer.write(answer)
        await writer.drain()
        self.reached.set()
        return self.phase == "pause"


@contextlib.asynccontextmanager
async def serving(phase: str, tmp_path: Path) -> AsyncIterator[tuple[Server, AsyncClient]]:
    server = Server(phase)
    scheme, bundle = "http", None
    if phase in ("handshake", "sending encrypted"):
        authority = trustme.CA()
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(server.tls)
        scheme, bundle = "https", tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(bundle))
    if phase == "connecting":
        # One that is not accepted fills the line.
        server.filling = socket.create_connection(server.address)
    else:
        await server.begin()
    try:
        async with AsyncClient(
            "key", base_url=f"{scheme}://127.0.0.1:{server.address[1]}", max_connections=1,
            timeout=20, connect_timeout=20, ca_bundle=bundle,
            min_poll_spacing=SPACING if phase == "gate" else 0,
        ) as client:  # fmt: skip
            yield server, client
    finally:
        await server.end()


@contextlib.contextmanager
def stalled() -> Iterator[str]:
    """Listen and accept nothing: what is sent fills the system's buffers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def by_cancel(call: Awaitable[object], ready: Awaitable[object]) -> None:
    task = asyncio.ensure_future(call)
    await ready
    await asyncio.sleep(0.05)  # Let the client take the answer in.
    assert not task.done()
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < AT_ONCE


async def by_timeout(call: Awaitable[object], ready: Awaitable[object]) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await call
    assert time.monotonic() - began < 0.5 + AT_ONCE
    await ready


End = Callable[[Awaitable[object], Awaitable[object]], Awaitable[None]]


@contextlib.contextmanager
def quiet(caplog: pytest.LogCaptureFixture) -> Any:
    """Nothing is told that nobody asked for: of tasks destroyed, of errors never retrieved."""
    with caplog.at_level(logging.WARNING):
        yield
        gc.collect()
    told = [record.getMessage() for record in caplog.records]
    # What asyncio says of every server that upgrades a stream.
    assert [text for text in told if "eof_received" not in text] == []


@pytest.mark.parametrize("end", [by_cancel, by_timeout])
@pytest.mark.parametrize("phase", PHASES)
def test_a_cancelled_call_ends_and_the_client_goes_on(
    phase: str, end: End, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(phase, tmp_path) as (server, client):
            before = sockets()
            told: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
            first = None
            if phase in ("line", "gate"):
                # It has the only connection, or the only turn of this second.
                first = asyncio.ensure_future(client.extractions.results("x", "b"))
                await server.reached.wait()
            if phase == "gate":
                assert first
                await first
                before = sockets()
            if phase.startswith("sending"):
                call: Any = client.extractions.upload("x", ("a.pdf", bytes(UPLOAD)))
            elif phase == "gate":
                call = client.extractions.results("x", "b")
            else:
                call = client.credits()
            reached = server.is_waited_for if phase == "connecting" else server.reached.is_set
            await end(call, hold(reached) if end is by_cancel else asyncio.sleep(0))
            if phase in ("connecting", "handshake", "headers", "body"):
                # Its end of the connection is closed, whatever the server does.
                await hold(lambda: sockets() <= before + server.open)
            server.drain.set()
            assert phase == "connecting" or server.reached.is_set()
            assert server.requests == (phase not in ("connecting", "handshake"))
            server.healthy = True
            if phase == "line":
                assert first
                first.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await first
            if phase not in ("pause", "gate"):
                # Both ends of its connection are closed.
                await hold(lambda: server.open == 0)
                await hold(lambda: sockets() <= before)
            assert server.received < UPLOAD
            if phase == "connecting":
                await server.begin()
            # The only place is free again, and so is the turn.
            assert await asyncio.wait_for(client.credits(), 5) == 7
            if phase == "gate":
                await asyncio.wait_for(client.extractions.results("x", "b"), 5)
                assert server.requests == 3
            assert len(asyncio.all_tasks()) <= 3
            del call, first
            gc.collect()
            assert told == []

    with quiet(caplog):
        asyncio.run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it lasts as long as the server")
def test_an_upload_that_a_server_does_not_read_leaves_no_connection() -> None:
    async def main() -> None:
        with stalled() as url:
            before = sockets()
            async with AsyncClient("key", base_url=url, timeout=1.0) as client:
                call = client.extractions.upload("x", ("a.pdf", bytes(UPLOAD)))
                await by_cancel(call, hold(lambda: sockets() > before))
                await hold(lambda: sockets() == before)

    asyncio.run(main())


@pytest.mark.parametrize("what", ["wait", "wait_many", "run_many"])
@pytest.mark.parametrize("end", [by_cancel, by_timeout])
@pytest.mark.extracta_emulator(processing_time=3600.0)
def test_a_cancelled_wait_asks_no_more(
    what: str,
    end: End,
    extracta_emulator: Emulator,
    extraction_id: str,
    batch_id: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def asked() -> int:
        polls = ("getBatchResults", "viewExtraction")
        return sum(request.endpoint in polls for request in extracta_emulator.requests())

    async def main() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
        url = extracta_emulator.base_url
        async with AsyncClient("test-key", base_url=url, min_poll_spacing=0) as client:
            calls = client.extractions
            fast: dict[str, Any] = {"poll_interval": 0.02, "max_poll_interval": 0.02}
            batch = BatchRef(extraction_id=extraction_id, batch_id=batch_id)

            async def call() -> None:
                if what == "wait":
                    await calls.wait(extraction_id, batch_id, timeout=None, **fast)
                elif what == "wait_many":
                    async for _ in calls.wait_many([batch], **fast):
                        pytest.fail("it is not finished")
                else:
                    files = [("a.pdf", b"%PDF a")]
                    journal = tmp_path / "run.journal"
                    async for _ in calls.run_many(extraction_id, files, journal=journal, **fast):
                        pytest.fail("it is not finished")

            await end(call(), hold(lambda: asked() > 3))
            assert asked() > 3
            gc.collect()
            # What was under way may still be noted; then nothing more comes.
            seen = asked()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(hold(lambda: asked() > seen + 1), 0.3)
                pytest.fail("it goes on")
            assert await client.credits() > 0
            assert told == []

    with quiet(caplog):
        asyncio.run(main())
