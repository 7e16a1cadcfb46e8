"""A name server that says nothing, in a network of the process's own: dns_hangs.py HOW.

To be run where it may do so: as root of a user namespace, with 127.0.0.1 as the name server.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import threading
import time

from extracta_rs import AsyncClient
from extracta_rs.testing import Emulator

(how,) = sys.argv[1:]
NAME = "api.example.test"
asked = threading.Event()
answering = threading.Event()


def begin() -> None:
    """Bring up the loopback device, and listen for questions."""
    up, running = 0x1, 0x40
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        set_flags = 0x8914
        fcntl.ioctl(device, set_flags, struct.pack("16sh14x", b"lo", up | running))
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(server,), daemon=True).start()


def serve(server: socket.socket) -> None:
    while True:
        question, sender = server.recvfrom(512)
        asked.set()
        if answering.is_set():
            name_end = question.index(b"\0", 12) + 1
            is_ipv4 = question[name_end : name_end + 2] == b"\0\1"
            head = struct.pack(
                ">HHHHHH", *struct.unpack(">H", question[:2]), 0x8180, 1, is_ipv4, 0, 0
            )
            told = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if is_ipv4 else b""
            server.sendto(head + question[12 : name_end + 4] + told, sender)


async def until_asked() -> None:
    while not asked.is_set():
        await asyncio.sleep(0.005)


async def main(port: int) -> None:
    url = f"http://{NAME}:{port}/api/v1"
    client = AsyncClient("test-key", base_url=url, allow_insecure_http=True, max_connections=1)
    task = asyncio.ensure_future(client.credits())
    await until_asked()
    if how == "returned":
        return
    began = time.monotonic()
    if how == "timeout":
        try:
            async with asyncio.timeout(0.1):
                await task
        except TimeoutError:
            took = time.monotonic() - began - 0.1
    else:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            took = time.monotonic() - began
    assert took < 0.2, took
    answering.set()
    assert await asyncio.wait_for(client.credits(), 4) > 0


begin()
with Emulator() as emulator:
    asyncio.run(main(int(emulator.base_url.split(":")[2].split("/")[0])))
ended = time.monotonic()
print(ended)
