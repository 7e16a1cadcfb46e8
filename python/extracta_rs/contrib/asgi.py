"""ASGI middleware that verifies deliveries before the application sees them.

Needs asyncio (uvloop is fine): large bodies are verified in a thread of `asyncio.to_thread`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from ..webhooks import SIGNATURE_HEADER, Secret
from ._common import DEFAULT_MAX_BODY_SIZE, DEFAULT_PATH, EVENT_KEY, Receiver, RefusedError

__all__ = ["WebhookMiddleware"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class WebhookMiddleware:
    """Verifies deliveries to one path of an ASGI application.

    The application gets the `WebhookEvent` as `scope["extracta.event"]` and can read the body once
    more. No header can set that key: a request without it was not verified. Other paths are not
    touched. Large bodies are verified in a thread, so that the event loop goes on.

    ```python
    from extracta_rs.asgi import WebhookMiddleware

    async def app(scope, receive, send):
        event = scope["extracta.event"]
        print(event.event, event.dedupe_keys)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    app = WebhookMiddleware(app, "E_AI_K_secret")
    ```

    Args:
        app: the application.
        secret: the webhook secret, or several of which any may match; None for the environment's
            `EXTRACTA_WEBHOOK_SECRET`.
        path: the path of the webhook, below the server's or the mount's root path. All of its
            methods but POST are answered with 405.
        max_body_size: the most bytes that a body may have; more is answered with 413.

    Raises:
        ConfigurationError: there is no secret, or it is empty.
    """

    def __init__(
        self,
        app: App,
        secret: Secret | None = None,
        *,
        path: str = DEFAULT_PATH,
        max_body_size: int = DEFAULT_MAX_BODY_SIZE,
    ) -> None:
        self._app = app
        self._receiver = Receiver(secret, max_body_size)
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it; see `WebhookMiddleware`."""
        if scope["type"] == "http" and _path_of(scope) == self._path:
            try:
                body = await self._read(scope, receive)
                event = await self._receiver.open_off_loop(body, _header(scope, SIGNATURE_HEADER))
            except RefusedError as refused:
                await _refuse(refused, scope, send)
                return
            except ConnectionError:
                return  # nobody is left to answer
            scope, receive = {**scope, EVENT_KEY: event}, _again(body, receive)
        await self._app(scope, receive, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        self._receiver.admit(
            scope["method"],
            (_header(scope, "content-length") or b"").decode("latin-1"),
            (_header(scope, "transfer-encoding") or b"").decode("latin-1"),
        )
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError("the client left")
            self._receiver.add(body, message.get("body", b""))
            more = message.get("more_body", False)
        return bytes(body)


def _path_of(scope: Scope) -> str:
    """Return the path below the root path, with which some servers begin it and others do not."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def _header(scope: Scope, name: str) -> bytes | None:
    """Return a header, several of the name as one, as HTTP has it."""
    values = [value for key, value in scope["headers"] if key.lower() == name.encode()]
    return b",".join(values) if values else None


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body once more, and then what the server has."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


async def _refuse(refused: RefusedError, scope: Scope, send: Send) -> None:
    body = refused.body()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **refused.headers(scope.get("http_version", "1.1")),
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(refused.status), "headers": raw})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
