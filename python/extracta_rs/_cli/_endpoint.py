"""POSTs a body to a URL that the user named, and tells in a line what came of it.

`http.client` alone: no proxy of the environment, no redirect, no header of its own that would
change what the app sees.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEOUT = 30.0
LATE = f"no answer within {TIMEOUT:.0f} s"
MOST_TEXT = 2048

# What is between two neighbours only (RFC 9110, 7.6.1), and what each of them says for itself.
HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection",
    "te", "trailer", "transfer-encoding", "upgrade",
    "accept-encoding", "content-length", "expect", "host",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a POST.

    Attributes:
        status: the status of the answer, or None where none came.
        error: why none came, in one line; or None.
        text: the beginning of the answer's body.
        seconds: how long it took.
    """

    status: int | None
    error: str | None
    text: str
    seconds: float

    @property
    def passed_on(self) -> int:
        """The status that a sender behind this one is answered with."""
        if self.status is not None:
            return self.status
        return 504 if self.error == LATE else 502


class Endpoint:
    """A URL to POST to.

    Args:
        url: an "http://" or "https://" URL.

    Raises:
        ValueError: it is not such a URL, or has a user name or a password in it.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give a URL that begins with http:// or https://")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a URL with a user name or a password would be shown: leave it out")
        try:
            parts.hostname.encode("idna")
            self.port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise ValueError("the host or the port of the URL cannot be") from None
        self.host = parts.hostname
        self._secure = parts.scheme == "https"
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        query = quote(parts.query, safe="/%:@!$&'()*+,;=~?")
        self._target = f"{path}?{query}" if query else path
        self.url = f"{parts.scheme}://{parts.netloc}{self._target}"

    def post(self, body: bytes, headers: Iterable[tuple[str, str]]) -> Answer:
        """Send the body with these headers; never raises for what the other side does."""
        began = time.monotonic()
        status: int | None = None
        error, text = None, ""
        connection = self._connection()
        try:
            connection.putrequest("POST", self._target, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            connection.putheader("Accept-Encoding", "identity")
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Connection", "close")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                # An app may answer before it has read all of the body.
                connection.endheaders(body)
            response = connection.getresponse()
            if response.status < 200:
                raise HTTPException(f"answered {response.status}")
            status = response.status
            text = response.read1(MOST_TEXT).decode("utf-8", "replace")
        except (OSError, HTTPException) as problem:
            # Once there is a status, a body that breaks off changes nothing.
            error = None if status is not None else self._why(problem)
        finally:
            connection.close()
        return Answer(status, error, text, time.monotonic() - began)

    def _connection(self) -> HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return HTTPSConnection(self.host, self.port, timeout=TIMEOUT, context=context)
        return HTTPConnection(self.host, self.port, timeout=TIMEOUT)

    def _why(self, problem: OSError | HTTPException) -> str:
        if isinstance(problem, TimeoutError):
            return LATE
        if isinstance(problem, ConnectionRefusedError):
            return f"nothing listens on {self.host}:{self.port}"
        if isinstance(problem, socket.gaierror):
            return f"the host {self.host} cannot be found"
        if isinstance(problem, ssl.SSLCertVerificationError):
            return f"the certificate does not hold: {problem.verify_message}"
        if isinstance(problem, OSError):
            return problem.strerror or str(problem) or type(problem).__name__
        return f"no answer in HTTP ({type(problem).__name__})"


def end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers that are meant for the app, each on one line."""
    headers = list(headers)
    named = {
        token.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for token in value.split(",")
    }
    return [
        (name, re.sub(r"\r?\n[ \t]*|\r", " ", value))
        for name, value in headers
        if name.lower() not in HOP_BY_HOP | named and re.fullmatch(r"[!#$%&'*+.^_`|~\w-]+", name)
    ]
