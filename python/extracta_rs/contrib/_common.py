"""What all adapters share: settings, a look at a request's head, and the verdict on its body.

Knows no framework. What a request is refused for is raised as `RefusedError`; each adapter makes an
answer of it in its framework's words. Nothing that a request contains raises anything else.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, Protocol

from .._shared import SECRET_VARIABLE, environment_secrets
from ..exceptions import ConfigurationError, SignatureVerificationError, WebhookPayloadError
from ..webhooks import SIGNATURE_HEADER, Header, Secret, WebhookEvent, unwrap, verify_signature

DEFAULT_PATH: Final = "/webhooks/extracta"
DEFAULT_MAX_BODY_SIZE: Final = 10_000_000
EVENT_KEY: Final = "extracta.event"
SIGNATURE_VARIABLE: Final = "HTTP_" + SIGNATURE_HEADER.upper().replace("-", "_")

LARGE: Final = 64 * 1024
"""Bodies of this size and more are verified and parsed off the event loop. To verify one of it
takes 0.2 ms, to change threads 0.1 ms."""

_CHUNK: Final = 64 * 1024


class RefusedError(Exception):
    """A request that is not handed on, and what is answered instead.

    Attributes:
        status: the HTTP status.
        error: a word for programs.
        reason: more of it, or None. Nothing that helps to forge a delivery.
        unread: whether a part of the body may not have been read.
    """

    def __init__(
        self, status: HTTPStatus, error: str, reason: str | None = None, *, unread: bool = False
    ) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.reason = reason
        self.unread = unread

    def details(self) -> dict[str, str]:
        return {"error": self.error, **({"reason": self.reason} if self.reason else {})}

    def body(self) -> bytes:
        return json.dumps(self.details()).encode()

    def headers(self, http_version: str | None = None) -> dict[str, str]:
        """Return the headers besides those of the body.

        A server would go on to read the rest of the body, however long, to find the next request;
        `Connection: close` spares it that. HTTP/2 and WSGI forbid the header: no version for WSGI.
        """
        headers = {}
        if self.status == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "POST"
        if self.unread and http_version is not None and http_version.startswith("1"):
            headers["Connection"] = "close"
        return headers


def incomplete() -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, "body", "incomplete", unread=True)


def too_large() -> RefusedError:
    return RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", unread=True)


class Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Receiver:
    """A secret that can be used and a limit: decides about requests.

    Args:
        secret: the webhook secret, or several; None for that of the environment.
        max_body_size: the most bytes that a body may have.

    Raises:
        ConfigurationError: no secret, or one that cannot be used; or such a limit.
    """

    __slots__ = ("_secret", "max_body_size")

    def __init__(self, secret: Secret | None, max_body_size: int) -> None:
        if max_body_size < 1:
            raise ConfigurationError("max_body_size: must be at least 1 byte")
        self.max_body_size = max_body_size
        self._secret = _usable(secret)

    def admit(
        self, method: str | None, length: str | None, coding: str | None, *, terminated: bool = True
    ) -> int | None:
        """Look at a request's head.

        Args:
            method: the request's method.
            length: its `Content-Length`.
            coding: its `Transfer-Encoding`, which counts more than the length.
            terminated: whether the server ends the body's stream where the body ends.

        Returns:
            How long the body is; None: read to the end of the stream.
        """
        if method != "POST":
            raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "method", unread=True)
        if coding or not length:
            if terminated:
                return None
            if coding:
                raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "length_required", unread=True)
            return 0
        if not (length.isascii() and length.isdigit()):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "content_length", unread=True)
        # Python does not read integers of thousands of digits.
        if len(length) > 20 or int(length) > self.max_body_size:
            raise too_large()
        return int(length)

    def add(self, body: bytearray, chunk: bytes) -> None:
        """Add a chunk to a body that is being read."""
        if len(body) + len(chunk) > self.max_body_size:
            raise too_large()
        body += chunk

    def read(
        self, stream: Stream, length: int | None, limit_errors: tuple[type[Exception], ...] = ()
    ) -> bytes:
        """Read a body from a stream that blocks, at most a byte beyond the limit.

        Args:
            stream: the stream.
            length: what `admit` returned.
            limit_errors: what the stream raises where a limit of the application's is passed.
        """
        body = bytearray()
        most = self.max_body_size + 1 if length is None else length
        while len(body) < most:
            try:
                chunk = stream.read(min(_CHUNK, most - len(body)))
            except limit_errors:
                raise too_large() from None
            except Exception as error:
                # The client left, or its chunks make no sense: each server has errors of its own.
                raise incomplete() from error
            if not chunk:
                break
            self.add(body, chunk)
        if length is not None and len(body) < length:
            raise incomplete()
        return bytes(body)

    def open(self, body: bytes, header: Header) -> WebhookEvent:
        """Return the event of a body, if its signature holds."""
        if len(body) > self.max_body_size:
            raise too_large()
        try:
            return unwrap(body, header, self._secret)
        except SignatureVerificationError as error:
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "signature", error.reason) from None
        except WebhookPayloadError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, "payload", str(error)) from None

    async def open_off_loop(
        self,
        body: bytes,
        header: Header,
        run: Callable[..., Awaitable[Any]] = asyncio.to_thread,
    ) -> WebhookEvent:
        """Do as `open`, for a large body in another thread."""
        if len(body) < LARGE:
            return self.open(body, header)
        event: WebhookEvent = await run(self.open_whole, body, header)
        return event

    def open_whole(self, body: bytes, header: Header) -> WebhookEvent:
        """Do as `open`, and parse: a handler that asks for the files then is not kept waiting."""
        event = self.open(body, header)
        _ = event.files, event.dedupe_keys
        return event


def _usable(secret: Secret | None) -> Secret:
    if secret is None:
        secret = environment_secrets()
        if not secret:
            raise ConfigurationError(
                f"webhook secret: there is none; pass it, or set {SECRET_VARIABLE}"
            )
    elif not isinstance(secret, str | bytes):
        secret = tuple(secret)
    try:
        verify_signature(b"", None, secret)
    except ValueError as error:
        raise ConfigurationError(f"webhook secret: {error}") from None
    return secret


@contextmanager
def needs(package: str, framework: str) -> Iterator[None]:
    """Say what to install where the imports within fail because the framework is not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise  # the framework is there, but something that it needs is not
        raise ModuleNotFoundError(
            f"extracta_rs.{package} needs {framework}: pip install {package}", name=package
        ) from None
