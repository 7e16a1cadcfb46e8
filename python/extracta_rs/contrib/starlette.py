"""Starlette: a decorator for endpoints that receive deliveries.

Whatever anyio runs on is supported, so trio, too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import isawaitable, iscoroutinefunction
from typing import TypeAlias, cast

from ..webhooks import SIGNATURE_HEADER, Secret, WebhookEvent
from ._common import DEFAULT_MAX_BODY_SIZE, Receiver, RefusedError, incomplete, needs

with needs("starlette", "Starlette"):
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response

__all__ = ["webhook"]

Handler: TypeAlias = Callable[[Request, WebhookEvent], Response | Awaitable[Response | None] | None]


def webhook(
    secret: Secret | None = None, *, max_body_size: int = DEFAULT_MAX_BODY_SIZE
) -> Callable[[Handler], Callable[[Request], Awaitable[Response]]]:
    """Make a Starlette endpoint of a function that takes a request and a `WebhookEvent`.

    The function is called only with deliveries whose signature holds. It returns a response, or
    None for 204. Where it is no coroutine function it is called in a thread; large bodies are
    verified in one. `await request.body()` still has the body.

    Others are answered with a JSON body: 401 where the signature is missing or does not hold, 413
    where the body is too large, 405 where the method is not POST, 400 where the body is not that
    of a webhook.

    ```python
    from starlette.applications import Starlette
    from starlette.routing import Route
    from extracta_rs.starlette import webhook

    @webhook("E_AI_K_secret")
    async def receive(request, event):
        print(event.event, event.dedupe_keys)

    app = Starlette(routes=[Route("/webhooks/extracta", receive, methods=["POST"])])
    ```

    Args:
        secret: the webhook secret, or several of which any may match; None for the environment's
            `EXTRACTA_WEBHOOK_SECRET`.
        max_body_size: the most bytes that a body may have.

    Returns:
        The decorator.

    Raises:
        ConfigurationError: there is no secret, or it is empty.
    """
    receiver = Receiver(secret, max_body_size)

    def decorate(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        @wraps(handler)
        async def endpoint(request: Request) -> Response:
            try:
                event = await receive_event(request, receiver)
            except RefusedError as refused:
                headers = refused.headers(request.scope.get("http_version", "1.1"))
                return Response(
                    refused.body(), refused.status, headers, media_type="application/json"
                )
            if iscoroutinefunction(handler):
                answer = await handler(request, event)
            else:
                answer = await run_in_threadpool(handler, request, event)
                answer = await answer if isawaitable(answer) else answer
            return Response(status_code=204) if answer is None else cast("Response", answer)

        return endpoint

    return decorate


async def receive_event(request: Request, receiver: Receiver) -> WebhookEvent:
    """Read and verify the delivery that a request brings."""

    def header(name: str) -> str | None:
        return ",".join(request.headers.getlist(name)) or None

    receiver.admit(request.method, header("content-length"), header("transfer-encoding"))
    body = bytearray()
    try:
        async for chunk in request.stream():
            receiver.add(body, chunk)
    except ClientDisconnect:
        raise incomplete() from None
    request._body = bytes(body)  # what `await request.body()` remembers
    return await receiver.open_off_loop(request._body, header(SIGNATURE_HEADER), run_in_threadpool)
