"""A small HTTP server on loopback: one request for each connection, all of it bounded.

What a request may hold, how long it may take and how many there may be at once is decided here.
Whoever sends it may be anybody: a tunnel leads from the internet to this server.
"""

from __future__ import annotations

import contextlib
import io
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import TYPE_CHECKING, Any

from .webhooks import SIGNATURE_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

MOST_BYTES = 10_000_000
MOST_CONNECTIONS = 64
MOST_LINE = 1024
READ_SECONDS = 60.0
WRITE_SECONDS = 10.0
LINGER_SECONDS = 2.0
CLOSE_SECONDS = 1.0


class RefusedError(Exception):
    """A request that is answered with an error status, and a line that says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Incoming(io.RawIOBase):
    """The bytes of a connection, all of which must come before a deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + READ_SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class Handler(BaseHTTPRequestHandler):
    """Answers one request with `get` or `post`, then closes the connection."""

    allowed = "POST"
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Incoming(self.connection))

    def handle(self) -> None:
        self.close_connection = True
        self.handle_one_request()

    def handle_expect_100(self) -> bool:
        # `read_body` asks for the body, once it knows that the body is welcome.
        return True

    def get(self) -> None:
        """Answer a GET; may raise `RefusedError`."""
        raise RefusedError(405, self._other_methods())

    def post(self) -> None:
        """Answer a POST; may raise `RefusedError`."""
        raise RefusedError(405, self._other_methods())

    def do_GET(self) -> None:
        self._answer_with(self.get)

    def do_POST(self) -> None:
        self._answer_with(self.post)

    def _other_methods(self) -> str:
        return f"only {self.allowed} is understood here"

    def _answer_with(self, method: Callable[[], None]) -> None:
        try:
            method()
        except RefusedError as error:
            self.refuse(error.status, str(error))

    def read_body(self) -> bytes:
        """Return the body.

        Raises:
            RefusedError: it is larger than `MOST_BYTES`, has no length, or is not framed well.
        """
        lengths = set(self.headers.get_all("content-length", []))
        codings = self.headers.get_all("transfer-encoding", [])
        if codings:
            if lengths:
                raise RefusedError(400, "a body with both a length and a transfer coding")
            if [coding.strip().lower() for coding in codings] != ["chunked"]:
                raise RefusedError(501, "only the transfer coding `chunked` is known here")
            self._welcome()
            return self._read_chunks()
        if not lengths:
            raise RefusedError(411, "the length of the body is missing")
        length = lengths.pop().strip()
        if lengths or not re.fullmatch("[0-9]+", length):
            raise RefusedError(400, "the length of the body is not one number")
        if len(length) > 15 or int(length) > MOST_BYTES:
            raise RefusedError(413, f"the body is larger than {MOST_BYTES // 1_000_000} MB")
        self._welcome()
        return self._read_exactly(int(length))

    def signature(self) -> str | None:
        """Return the signature that came with the request, or all where there are several."""
        return ", ".join(self.headers.get_all(SIGNATURE_HEADER, [])) or None

    def begin(self, status: int, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send the head of an answer that ends with the connection."""
        self.connection.settimeout(WRITE_SECONDS)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()

    def answer(
        self, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Send an answer; `headers` has its `Content-Type`, where it has a body."""
        length = [("Content-Length", str(len(body)))] if status not in (204, 304) else []
        self.begin(status, [*headers, *length])
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, why: str) -> None:
        """Answer with an error status and a line of text.

        What was not read is thrown away for a moment: closing at once would reset the connection,
        and the sender might never see the answer.
        """
        text = f"{status}: {why}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        if status == 405:
            headers.append(("Allow", self.allowed))
        self.answer(status, text, headers)
        self.wfile.flush()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + LINGER_SECONDS
            while (left := deadline - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.connection.recv(1 << 16):
                    break

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        # 501 is what the base class says to methods that it finds no `do_` for.
        known = {501: (405, self._other_methods())}
        self.refuse(*known.get(code, (code, message or explain or "not understood")))

    def version_string(self) -> str:
        return "extracta-rs"

    def log_message(self, *args: object) -> None:
        pass

    def _welcome(self) -> None:
        if self.headers.get("expect", "").strip().lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()

    def _read_exactly(self, length: int) -> bytes:
        body = self.rfile.read(length)
        if len(body) < length:
            raise RefusedError(400, "the body ends too early")
        return body

    def _read_line(self) -> bytes:
        line = self.rfile.readline(MOST_LINE)
        if not line.endswith(b"\n"):
            raise RefusedError(400, "a chunk of the body is not framed well")
        return line.strip()

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = self._read_line().partition(b";")[0].strip()
            if not re.fullmatch(b"[0-9A-Fa-f]{1,15}", size):
                raise RefusedError(400, "a chunk of the body is not framed well")
            if len(body) + int(size, 16) > MOST_BYTES:
                raise RefusedError(413, f"the body is larger than {MOST_BYTES // 1_000_000} MB")
            if int(size, 16) == 0:
                break
            body += self._read_exactly(int(size, 16))
            if self._read_line():
                raise RefusedError(400, "a chunk of the body is not framed well")
        for _ in range(100):
            if not self._read_line():
                return bytes(body)
        raise RefusedError(400, "too many trailers")


class LoopbackServer(ThreadingTCPServer):
    """Listens on 127.0.0.1 and runs a handler for each connection, in a thread of its own.

    Args:
        handler: the class that answers.
        port: the TCP port; 0 for any that is free.

    Raises:
        OSError: the port cannot be had.
    """

    # Not `HTTPServer`: that one asks the name service for the host's name before it starts.
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64
    most_connections: int | None = None
    """How many there may be at once, where it is not `MOST_CONNECTIONS`."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._slots = threading.BoundedSemaphore(self.most_connections or MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._open: dict[threading.Thread, socket.socket] = {}

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            try:
                return super().process_request(request, client_address)
            except BaseException:
                self._slots.release()  # The thread that would do so was not started.
                raise
        with contextlib.suppress(OSError):
            request.setblocking(False)
            request.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        return self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        this = threading.current_thread()
        with self._lock:
            self._open[this] = request
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[this]
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A connection may break whenever its other side likes; all else is a mistake of ours.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        """Stop listening, and end the connections that there are."""
        self.shutdown()
        self.server_close()
        with self._lock:
            still_open = dict(self._open)
        for connection in still_open.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + CLOSE_SECONDS
        for thread in still_open:
            thread.join(max(0.0, deadline - time.monotonic()))
