"""A cancelled asyncio call ends its request in whatever phase it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from extracta_rs import AsyncClient

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
BUSY = b"HTTP/1.1 429 No\r\nretry-after: 30\r\ncontent-length: 0\r\n\r\n"
UPLOAD = 32 << 20


class Server:
    """Goes so far with each request and no further; knows whether the client went away."""

    def __init__(self, phase: str) -> None:
        self.phase = phase
        self.reached = asyncio.Event()
        self.left = asyncio.Event()
        self.drain = asyncio.Event()
        self.received = 0
        self.healthy = False
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.talk(reader, writer)
            while data := await reader.read(65536):
                self.received += len(data)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.left.set()
            writer.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests += 1
        if self.healthy:
            body = b'{"credits": 7}'
            writer.write(HEAD.replace(b"100", str(len(body)).encode()) + body)
        elif self.phase == "sending":
            assert b"/uploadFiles" in head
            await reader.readexactly(1000)
            self.reached.set()
            await self.drain.wait()  # Until then the client cannot be done sending.
        else:
            answer = {"headers": b"", "body": HEAD + b"{", "pause": BUSY}[self.phase]
            writer.write(answer)
            self.reached.set()
        await writer.drain()


@asynccontextmanager
async def serving(phase: str) -> AsyncIterator[tuple[Server, AsyncClient]]:
    server = Server(phase)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        async with AsyncClient("key", base_url=url, max_connections=1, timeout=20) as client:
            yield server, client


async def by_cancel(call: Awaitable[object], ready: Awaitable[object]) -> None:
    task = asyncio.ensure_future(call)
    await ready
    await asyncio.sleep(0.05)  # Let the client take the answer in.
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_timeout(call: Awaitable[object], ready: Awaitable[object]) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await call
    await ready


@pytest.mark.parametrize("end", [by_cancel, by_timeout])
@pytest.mark.parametrize("phase", ["headers", "body", "pause", "sending"])
def test_a_cancelled_call_ends_and_the_client_goes_on(
    phase: str, end: Callable[[Awaitable[object], Awaitable[object]], Awaitable[None]]
) -> None:
    async def main() -> None:
        async with serving(phase) as (server, client):
            if phase == "sending":
                call = client.extractions.upload("x", ("a.pdf", bytes(UPLOAD)))
            else:
                call = client.credits()
            await end(call, server.reached.wait())
            server.drain.set()
            if phase != "pause":
                await asyncio.wait_for(server.left.wait(), 5)
            assert server.requests == 1
            assert server.received < UPLOAD
            server.healthy = True
            if phase == "pause":
                return
            # The only place at the gate is free again.
            assert await asyncio.wait_for(client.credits(), 5) == 7
            assert len(asyncio.all_tasks()) <= 3

    asyncio.run(main())


def test_a_call_cancelled_in_line_sends_nothing() -> None:
    async def main() -> None:
        async with serving("headers") as (server, client):
            first = asyncio.ensure_future(client.credits())
            await server.reached.wait()
            second = asyncio.ensure_future(client.credits())
            await asyncio.sleep(0.05)
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            await asyncio.wait_for(server.left.wait(), 5)
            assert server.requests == 1

    asyncio.run(main())
