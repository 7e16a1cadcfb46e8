"""`max_connections` is how many connections the service ever sees open at once, idle ones too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from extracta_rs import AsyncClient

BODY = b'{"credits": 7}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
WHOLE = HEAD + b"content-length: 14\r\n\r\n" + BODY
LAST = HEAD + b"connection: close\r\ncontent-length: 14\r\n\r\n" + BODY
PIECES = HEAD + b"transfer-encoding: chunked\r\n\r\ne\r\n" + BODY + b"\r\n"


class Service:
    """Counts its connections from accepting them to their end."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.open = self.most = self.accepted = self.answered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.accepted += 1
        self.most = max(self.most, self.open)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                if not await self.reply(writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def reply(self, writer: asyncio.StreamWriter) -> bool:
        self.answered += 1
        if self.answer == "late end":
            # The client has the whole body before the connection is free.
            writer.write(PIECES)
            await asyncio.sleep(0.001)
            writer.write(b"0\r\n\r\n")
        elif self.answer == "last" or (self.answer == "mixed" and self.answered % 3 == 0):
            writer.write(LAST)
            await writer.drain()
            return False
        else:
            writer.write(WHOLE)
        return True


@contextlib.asynccontextmanager
async def serving(answer: str, most: int) -> AsyncIterator[tuple[Service, AsyncClient]]:
    service = Service(answer)
    listening = await asyncio.start_server(service.serve, "127.0.0.1", 0, backlog=1000)
    port = listening.sockets[0].getsockname()[1]
    async with (
        listening,
        AsyncClient("key", base_url=f"http://127.0.0.1:{port}", max_connections=most) as client,
    ):
        yield service, client


@pytest.mark.parametrize("answer", ["whole", "late end", "last", "mixed"])
@pytest.mark.parametrize("most", [1, 3, 20])
def test_there_are_never_more_connections(answer: str, most: int) -> None:
    async def main() -> None:
        async with serving(answer, most) as (service, client):
            for _ in range(3):
                told = await asyncio.gather(*[client.credits() for _ in range(300)])
                assert told == [7] * 300
                assert service.most <= most
            if answer in ("whole", "late end"):
                # They are kept. At first some are given up when another one becomes free.
                assert service.accepted <= 2 * most

    asyncio.run(main())


def test_a_cancelled_request_makes_room_for_one_connection() -> None:
    async def main() -> None:
        async with serving("whole", 5) as (service, client):
            hanging = [asyncio.ensure_future(client.credits()) for _ in range(200)]
            for number, task in enumerate(hanging):
                await asyncio.sleep(0)
                if number % 2:
                    task.cancel()
            told = await asyncio.gather(*hanging, return_exceptions=True)
            assert told.count(7) >= 100
            assert await client.credits() == 7
            # The end of a connection that was given up and its successor may come together.
            assert service.most <= 2 * 5

    asyncio.run(main())
