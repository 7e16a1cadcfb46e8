"""WSGI middleware that verifies deliveries before the application sees them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ._common import (
    DEFAULT_MAX_BODY_SIZE,
    DEFAULT_PATH,
    EVENT_KEY,
    SIGNATURE_VARIABLE,
    Receiver,
    RefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from ..webhooks import Secret

__all__ = ["WebhookMiddleware"]


class WebhookMiddleware:
    """Verifies deliveries to one path of a WSGI application.

    The application gets the `WebhookEvent` as `environ["extracta.event"]` and can read the body
    once more. No header can set that key: a request without it was not verified. Other paths are
    not touched.

    ```python
    from extracta_rs.wsgi import WebhookMiddleware

    def app(environ, start_response):
        event = environ["extracta.event"]
        print(event.event, event.dedupe_keys)
        start_response("204 No Content", [])
        return []

    app = WebhookMiddleware(app, "E_AI_K_secret")
    ```

    Args:
        app: the application.
        secret: the webhook secret, or several of which any may match; None for the environment's
            `EXTRACTA_WEBHOOK_SECRET`.
        path: the path of the webhook, below where the server mounts the application. All of its
            methods but POST are answered with 405.
        max_body_size: the most bytes that a body may have; more is answered with 413.

    Raises:
        ConfigurationError: there is no secret, or it is empty.
    """

    def __init__(
        self,
        app: WSGIApplication,
        secret: Secret | None = None,
        *,
        path: str = DEFAULT_PATH,
        max_body_size: int = DEFAULT_MAX_BODY_SIZE,
    ) -> None:
        self._app = app
        self._receiver = Receiver(secret, max_body_size)
        self._path = path.encode().decode("latin-1")  # as WSGI has it

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, as WSGI has it; see `WebhookMiddleware`."""
        if environ.get("PATH_INFO") == self._path:
            try:
                self._verify(environ)
            except RefusedError as refused:
                return _refuse(refused, environ, start_response)
        return self._app(environ, start_response)

    def _verify(self, environ: WSGIEnvironment) -> None:
        length = self._receiver.admit(
            environ["REQUEST_METHOD"],
            environ.get("CONTENT_LENGTH"),
            environ.get("HTTP_TRANSFER_ENCODING"),
            terminated=bool(environ.get("wsgi.input_terminated")),
        )
        body = self._receiver.read(environ["wsgi.input"], length)
        environ[EVENT_KEY] = self._receiver.open(body, environ.get(SIGNATURE_VARIABLE))
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)


def _refuse(
    refused: RefusedError, environ: WSGIEnvironment, start_response: StartResponse
) -> list[bytes]:
    body = refused.body()
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **refused.headers(),
    }
    start_response(f"{refused.status} {refused.status.phrase}", list(headers.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
