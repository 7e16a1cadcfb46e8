"""The HTTP of cassettes: a server on loopback, and the bodies of requests as they come."""

from __future__ import annotations

import contextlib
import re
import socket
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from .._loopback import LoopbackServer
from ._multipart import MultipartReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BASE = "/api/v1"
CHUNK = 1 << 16
MOST_LINE = 1024
LARGEST_BODY = 64 << 20


class WireError(Exception):
    """A request that cannot be read."""


class GoneError(Exception):
    """The client went away."""


class CassetteHandler(BaseHTTPRequestHandler):
    """Reads one request, whatever its method, and has `answer_it` answer it."""

    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        self.close_connection = True
        self.handle_one_request()

    def answer_it(self) -> None:
        """Answer the request; a connection that is left without an answer is cut."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.answer_it()

    do_POST = do_PATCH = do_DELETE = do_PUT = do_GET  # noqa: N815  the base class's names

    @property
    def below_base(self) -> str:
        """The path as a cassette has it."""
        return self.path.removeprefix(BASE) if self.path.startswith(f"{BASE}/") else self.path

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            WireError: it is not framed well.
            GoneError: it ends too early.
        """
        if self.headers.get("transfer-encoding", "").strip().lower() == "chunked":
            while size := self._chunk_size():
                yield from self._exactly(size)
                if self._line():
                    raise WireError("a chunk of the body is not framed well")
            while self._line():
                pass
            return
        length = self.headers.get("content-length", "0").strip()
        if not re.fullmatch("[0-9]{1,15}", length):
            raise WireError("the length of the body is not a number")
        yield from self._exactly(int(length))

    def send_answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send an answer, which ends the connection."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if status not in (204, 304):
            self.wfile.write(body)

    def cut(self) -> None:
        """End the connection without an answer."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *args: object) -> None:
        pass

    def _exactly(self, length: int) -> Iterator[bytes]:
        while length:
            try:
                chunk = self.rfile.read1(min(length, CHUNK))
            except OSError as error:
                raise GoneError from error
            if not chunk:
                raise GoneError
            length -= len(chunk)
            yield chunk

    def _chunk_size(self) -> int:
        size = self._line().partition(b";")[0].strip()
        if not re.fullmatch(b"[0-9A-Fa-f]{1,15}", size):
            raise WireError("a chunk of the body is not framed well")
        return int(size, 16)

    def _line(self) -> bytes:
        try:
            line = self.rfile.readline(MOST_LINE)
        except OSError as error:
            raise GoneError from error
        if len(line) < MOST_LINE and not line.endswith(b"\n"):
            raise GoneError
        if not line.endswith(b"\n"):
            raise WireError("a chunk of the body is not framed well")
        return line.strip()


class CassetteServer(LoopbackServer):
    """Such a server; more connections than a client opens by default."""

    most_connections = 1024

    @property
    def base_url(self) -> str:
        """The URL for a client."""
        return f"http://127.0.0.1:{self.port}{BASE}"


class BodyReader:
    """Keeps a body as a cassette has it, while it streams by."""

    def __init__(self, content_type: str) -> None:
        multipart = content_type.lower().lstrip().startswith("multipart/")
        self._multipart = MultipartReader(content_type) if multipart else None
        self._bytes = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take a chunk.

        Raises:
            WireError: it is too large to be kept.
            MultipartError: it is not multipart as its header says.
        """
        if self._multipart is not None:
            self._multipart.feed(chunk)
            return
        if len(self._bytes) + len(chunk) > LARGEST_BODY:
            raise WireError(f"a body of more than {LARGEST_BODY >> 20} MiB")
        self._bytes += chunk

    def finish(self, pack: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
        """Return the body as a cassette has it."""
        return pack(bytes(self._bytes)) if self._multipart is None else self._multipart.finish()
