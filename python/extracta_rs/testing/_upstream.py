"""The service behind a recording: `http.client` alone, with the proxies of the environment."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..exceptions import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 600.0
LARGEST_ANSWER = 64 << 20
LOOPBACK = ("localhost", "127.0.0.1", "::1")

# What is between two neighbours only (RFC 9110, 7.6.1), and what each of them says for itself.
OWN_HEADERS = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
    "accept-encoding", "content-length", "expect", "host",
}  # fmt: skip


class UpstreamError(Exception):
    """No answer came; the text says why."""


class EndedError(Exception):
    """The recording ended before there was an answer."""


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes


class Upstream:
    """Passes requests on.

    Args:
        base_url: the service's address.
        ca_bundle: a PEM file of certificates to trust besides the system's.

    Raises:
        ConfigurationError: one of the two cannot be used.
    """

    def __init__(self, base_url: str, ca_bundle: str | os.PathLike[str] | None) -> None:
        parts = urlsplit(base_url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError("base_url: must begin with https://")
        if parts.username is not None or parts.query or parts.fragment:
            raise ConfigurationError("base_url: give only scheme, host and path")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ConfigurationError("base_url: plain http would show the API key; use https")
        try:
            self._port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise ConfigurationError("base_url: the port cannot be") from None
        self._host, self._prefix = parts.hostname, parts.path.rstrip("/")
        self._context: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self._context = ssl.create_default_context()
            if ca_bundle is not None:
                self._trust(self._context, ca_bundle)
        self._proxy: str | None = None
        if self._host not in LOOPBACK and not proxy_bypass(self._host):
            self._proxy = getproxies().get("https")
            if self._proxy and not self._proxy.startswith("http://"):
                if "://" in self._proxy:
                    # Not shown: a password may be in it.
                    raise ConfigurationError("HTTPS_PROXY: a recording knows only http:// proxies")
                self._proxy = f"http://{self._proxy}"
        self._lock = threading.Lock()
        self._open: set[HTTPConnection] = set()
        self._closed = False

    @staticmethod
    def _trust(context: ssl.SSLContext, ca_bundle: str | os.PathLike[str]) -> None:
        try:
            context.load_verify_locations(ca_bundle)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"ca_bundle: cannot be used: {error}") from error

    def exchange(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        length: str | None,
        chunks: Iterator[bytes],
    ) -> UpstreamAnswer:
        """Send a request as it comes, and return what came back. `chunks` is read to its end.

        Raises:
            UpstreamError: no answer came, or not a whole one.
            EndedError: `close` was called.
        """
        connection = self._connection()
        with self._lock:
            if self._closed:
                raise EndedError
            self._open.add(connection)
        try:
            self._send(connection, method, path, headers, length, chunks)
            return self._receive(connection)
        except (OSError, HTTPException) as error:
            if self._closed:
                raise EndedError from error
            raise UpstreamError(f"{self._host}: {_why(error)}") from error
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def close(self) -> None:
        """End what is under way."""
        with self._lock:
            self._closed = True
            still_open = list(self._open)
        for connection in still_open:
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def _connection(self) -> HTTPConnection:
        host, port = self._host, self._port
        if self._context is None:
            return HTTPConnection(host, port, timeout=CONNECT_SECONDS)
        if self._proxy is None:
            return HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=self._context)
        proxy = urlsplit(self._proxy)
        login = {}
        if proxy.username is not None:
            pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
            login["Proxy-Authorization"] = "Basic " + base64.b64encode(pair).decode()
        connection = HTTPSConnection(
            proxy.hostname or "", proxy.port, timeout=CONNECT_SECONDS, context=self._context
        )
        connection.set_tunnel(host, port, login)
        return connection

    def _send(
        self,
        connection: HTTPConnection,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        length: str | None,
        chunks: Iterator[bytes],
    ) -> None:
        connection.connect()
        connection.sock.settimeout(ANSWER_SECONDS)
        connection.putrequest(method, self._prefix + path, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in OWN_HEADERS:
                connection.putheader(name, value)
        connection.putheader("Accept-Encoding", "identity")
        connection.putheader("Connection", "close")
        chunked = length is None
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif length:
            connection.putheader("Content-Length", length)
        listening = True
        try:
            connection.endheaders()
        except (BrokenPipeError, ConnectionResetError):
            listening = False
        for chunk in chunks:
            # A service may answer before it has read all; the rest is still counted and hashed.
            if listening:
                listening = _sent(connection, chunk, chunked)
        if listening and chunked:
            _sent(connection, b"", chunked)

    def _receive(self, connection: HTTPConnection) -> UpstreamAnswer:
        response = connection.getresponse()
        body = response.read(LARGEST_ANSWER + 1)
        if len(body) > LARGEST_ANSWER:
            raise UpstreamError(f"an answer of more than {LARGEST_ANSWER >> 20} MiB")
        if response.length:
            raise UpstreamError("the answer was cut in its middle")
        if response.getheader("content-encoding", "identity") != "identity":
            raise UpstreamError("the answer is compressed, though nobody asked for that")
        kept = {name.lower(): value for name, value in response.getheaders()}
        return UpstreamAnswer(response.status, kept, body)


def _sent(connection: HTTPConnection, chunk: bytes, chunked: bool) -> bool:
    try:
        connection.send(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _why(error: OSError | HTTPException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not hold: {error.verify_message}"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return f"no whole answer in HTTP ({type(error).__name__})"
