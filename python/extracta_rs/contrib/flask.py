"""Flask: a decorator for views that receive deliveries, and a blueprint with such a view."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import IO, Concatenate, ParamSpec, TypeAlias, cast

from ..webhooks import SIGNATURE_HEADER, Secret, WebhookEvent
from ._common import (
    DEFAULT_MAX_BODY_SIZE,
    DEFAULT_PATH,
    Receiver,
    RefusedError,
    needs,
    too_large,
)

with needs("flask", "Flask"):
    from flask import Blueprint, Response, current_app, request
    from flask.typing import ResponseReturnValue
    from werkzeug.exceptions import RequestEntityTooLarge

__all__ = ["webhook", "webhook_blueprint"]

_JSON = "application/json"

P = ParamSpec("P")
Answer: TypeAlias = ResponseReturnValue | Awaitable[ResponseReturnValue | None] | None


def webhook(
    secret: Secret | None = None, *, max_body_size: int = DEFAULT_MAX_BODY_SIZE
) -> Callable[[Callable[Concatenate[WebhookEvent, P], Answer]], Callable[P, ResponseReturnValue]]:
    """Make a Flask view of a function that takes a `WebhookEvent`.

    The function is called only with deliveries whose signature holds. It may return whatever a
    Flask view may, or None for 204; it may be a coroutine function where Flask's extra `async` is
    installed. `request.get_data()` still has the body.

    Others are answered with a JSON body: 401 where the signature is missing or does not hold, 413
    where the body is too large, 405 where the method is not POST, 400 where the body is not that
    of a webhook.

    ```python
    from flask import Flask
    from extracta_rs.flask import webhook

    app = Flask(__name__)

    @app.post("/webhooks/extracta")
    @webhook("E_AI_K_secret")
    def receive(event):
        app.logger.info("%s: %s", event.event, event.dedupe_keys)
    ```

    Args:
        secret: the webhook secret, or several of which any may match; None for the environment's
            `EXTRACTA_WEBHOOK_SECRET`.
        max_body_size: the most bytes that a body may have. `MAX_CONTENT_LENGTH` of the application
            holds, too.

    Returns:
        The decorator; `@app.post(...)` stands above it.

    Raises:
        ConfigurationError: there is no secret, or it is empty.
    """
    receiver = Receiver(secret, max_body_size)

    def decorate(
        view: Callable[Concatenate[WebhookEvent, P], Answer],
    ) -> Callable[P, ResponseReturnValue]:
        @wraps(view)
        def receive(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
            try:
                event = receiver.open(_body(receiver), request.headers.get(SIGNATURE_HEADER))
            except RefusedError as refused:
                return Response(
                    refused.body(), refused.status, refused.headers(), content_type=_JSON
                )
            answer = current_app.ensure_sync(view)(event, *args, **kwargs)
            return ("", 204) if answer is None else answer

        return receive

    return decorate


def webhook_blueprint(
    handler: Callable[[WebhookEvent], Answer],
    secret: Secret | None = None,
    *,
    url: str = DEFAULT_PATH,
    name: str = "extracta",
    max_body_size: int = DEFAULT_MAX_BODY_SIZE,
) -> Blueprint:
    """Return a blueprint that receives deliveries at one URL.

    ```python
    from flask import Flask
    from extracta_rs.flask import webhook_blueprint

    def handle(event):
        print(event.event, event.dedupe_keys)

    app = Flask(__name__)
    app.register_blueprint(webhook_blueprint(handle, "E_AI_K_secret"))
    ```

    Args:
        handler: called with each verified delivery, as a function under `webhook` is.
        secret: the webhook secret, or several of which any may match; None for the environment's
            `EXTRACTA_WEBHOOK_SECRET`.
        url: the URL of the webhook, below the blueprint's `url_prefix`.
        name: the blueprint's name, for an application that has several.
        max_body_size: the most bytes that a body may have.

    Returns:
        The blueprint, for `app.register_blueprint`.

    Raises:
        ConfigurationError: there is no secret, or it is empty.
    """
    blueprint = Blueprint(name, __name__)
    view = webhook(secret, max_body_size=max_body_size)(handler)
    blueprint.add_url_rule(url, "webhook", view, methods=["POST"])
    return blueprint


class _Once(io.RawIOBase):
    """A stream that is read whole, by a function, when somebody wants it."""

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read

    def readall(self) -> bytes:
        read, self._read = self._read, bytes
        return read()


def _body(receiver: Receiver) -> bytes:
    length = receiver.admit(
        request.method,
        request.environ.get("CONTENT_LENGTH"),
        request.environ.get("HTTP_TRANSFER_ENCODING"),
        terminated=bool(request.environ.get("wsgi.input_terminated")),
    )
    try:
        stream = request.stream
    except RequestEntityTooLarge:
        raise too_large() from None

    def read() -> bytes:
        return receiver.read(stream, length, (RequestEntityTooLarge,))

    # What a `before_request` has read, `get_data` remembers; else it reads this stream.
    request.stream = cast("IO[bytes]", _Once(read))
    return request.get_data()
