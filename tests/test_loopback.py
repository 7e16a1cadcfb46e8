"""How requests come to the small server of the command line: framing and limits."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from extracta_rs import SIGNATURE_HEADER, _loopback, sign
from extracta_rs._loopback import Handler, LoopbackServer

SECRET = "E_AI_K_listen-säcret"
BODY = (
    b'{"event":"extraction.processed","result":[{"extractionId":"-Oe","batchId":"-Ob",'
    b'"fileId":"-Of","fileName":"a.pdf","status":"processed","result":{"total":1.5}}]}'
)


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers with the body; its port."""

    class Echo(Handler):
        def post(self) -> None:
            self.answer(200, self.read_body())

    with LoopbackServer(Echo) as server:
        yield server.port


def raw(port: int, request: bytes, half_closed: bool = False) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
TOO_MUCH = b"10000001"


@pytest.mark.parametrize(
    ("rest", "status", "body"),
    [
        (b"Content-Length: 3\r\n\r\nabc", 200, b"abc"),
        (b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc"),
        (b"Content-Length: 0\r\n\r\n", 200, b""),
        (CHUNKED + b"3\r\nabc\r\n02;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n", 200, b"abcde"),
        (CHUNKED.replace(b"chunked", b"Chunked") + b"0\r\n\r\n", 200, b""),
        (b"\r\n", 411, None),
        (b"Content-Length: " + TOO_MUCH + b"\r\n\r\n", 413, None),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 413, None),
        (CHUNKED + b"989681\r\n", 413, None),
        (CHUNKED + b"FFFFFFFFFFFFFFF\r\n", 413, None),
        (b"Content-Length: -1\r\n\r\n", 400, None),
        (b"Content-Length: 1_0\r\n\r\n", 400, None),
        (b"Content-Length: +3\r\n\r\n", 400, None),
        (b"Content-Length:\r\n\r\n", 400, None),
        (b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, None),
        (b"Content-Length: 3\r\n" + CHUNKED + b"0\r\n\r\n", 400, None),
        (b"Content-Length: 9\r\n\r\nabc", 400, None),
        (b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, None),
        (CHUNKED + b"x\r\n", 400, None),
        (CHUNKED + b"\r\n", 400, None),
        (CHUNKED + b"-1\r\n", 400, None),
        (CHUNKED + b"0x1\r\na\r\n0\r\n\r\n", 400, None),
        (CHUNKED + b"1111111111111111\r\n", 400, None),
        (CHUNKED + b"2\r\nabXY0\r\n\r\n", 400, None),
        (CHUNKED + b"5\r\nab", 400, None),
        (CHUNKED + b"1;" + b"x" * 5000 + b"\r\na\r\n0\r\n\r\n", 400, None),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * 200 + b"\r\n", 400, None),
    ],
)
def test_bodies_are_read_as_they_are_framed(
    rest: bytes, status: int, body: bytes | None, echo: int
) -> None:
    answer = raw(echo, b"POST / HTTP/1.1\r\nHost: x\r\n" + rest, half_closed=True)
    head, _, got = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert head.count(b"HTTP/1.1") == 1
    if body is not None:
        assert got == body
    else:
        assert got.startswith(b"%d: " % status)


def test_a_body_is_asked_for_only_if_it_is_welcome(echo: int) -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: "
    with socket.create_connection(("127.0.0.1", echo), timeout=20) as connection:
        connection.sendall(head + b"3\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", echo), timeout=20) as connection:
        connection.sendall(head + TOO_MUCH + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_who_sends_too_much_gets_the_answer_all_the_same(echo: int) -> None:
    body = b"x" * (12 << 20)
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert raw(echo, head + body).startswith(b"HTTP/1.1 413")


def test_other_methods_and_requests_that_are_none(echo: int) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "NONSENSE"):
        answer = raw(echo, f"{method} / HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nAllow: POST\r\n" in answer
    head = raw(echo, b"HEAD / HTTP/1.1\r\n\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert raw(echo, b"\x16\x03\x01\x02\0\x01\r\n\r\n").startswith(b"400: ")
    assert raw(echo, b"POST / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n").startswith(
        b"HTTP/1.1 431"
    )


def test_connections_are_bounded(echo: int, monkeypatch: pytest.MonkeyPatch) -> None:
    idle = [
        socket.create_connection(("127.0.0.1", echo)) for _ in range(_loopback.MOST_CONNECTIONS)
    ]
    assert raw(echo, b"").startswith(b"HTTP/1.1 503")
    for each in idle:
        each.close()
    deadline = time.monotonic() + 20
    request = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    while raw(echo, request if time.monotonic() < deadline else b"")[9:12] != b"200":
        assert time.monotonic() < deadline


def test_a_request_must_come_in_time(monkeypatch: pytest.MonkeyPatch, echo: int) -> None:
    monkeypatch.setattr(_loopback, "READ_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", echo), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na")
        assert connection.recv(100) == b""


def test_a_chunked_delivery_is_verified(listen: Any) -> None:
    listening = listen()
    half = len(BODY) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (BODY[:half], BODY[half:], b""))
    head = f"POST / HTTP/1.1\r\nHost: x\r\n{SIGNATURE_HEADER}: {sign(BODY, SECRET)}\r\n"
    assert raw(listening.port, head.encode() + CHUNKED + chunks).startswith(b"HTTP/1.1 204 ")
    assert listening.told()["valid"]


def test_two_signatures_are_none(listen: Any) -> None:
    listening = listen()
    signature = f"{SIGNATURE_HEADER}: {sign(BODY, SECRET)}\r\n".encode()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(BODY)
    assert raw(listening.port, head + signature * 2 + b"\r\n" + BODY).startswith(b"HTTP/1.1 401 ")
    assert raw(listening.port, head + signature + b"\r\n" + BODY).startswith(b"HTTP/1.1 204 ")
