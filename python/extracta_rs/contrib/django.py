"""Django: a decorator for views, sync and async, that receive deliveries."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Concatenate, ParamSpec

from ..webhooks import Secret, WebhookEvent
from ._common import (
    DEFAULT_MAX_BODY_SIZE,
    SIGNATURE_VARIABLE,
    Receiver,
    RefusedError,
    needs,
)

with needs("django", "Django"):
    # Django has no types of its own; who has `django-stubs` sees them here, too.
    from django.http import (  # type: ignore[import-untyped, unused-ignore]
        HttpRequest,
        HttpResponse,
    )
    from django.views.decorators.csrf import (  # type: ignore[import-untyped, unused-ignore]
        csrf_exempt,
    )

__all__ = ["webhook"]

P = ParamSpec("P")


def webhook(
    secret: Secret | None = None, *, max_body_size: int = DEFAULT_MAX_BODY_SIZE
) -> Callable[
    [Callable[Concatenate[HttpRequest, WebhookEvent, P], Any]],
    Callable[Concatenate[HttpRequest, P], Any],
]:
    """Make a Django view of a function that takes a request and a `WebhookEvent`.

    The function is called only with deliveries whose signature holds. It returns a response, or
    None for 204; it may be a coroutine function, and large bodies are then verified in a thread.
    The view is exempt from CSRF checks. `request.body` still has the body.

    Others are answered with a JSON body: 401 where the signature is missing or does not hold, 413
    where the body is too large, 405 where the method is not POST, 400 where the body is not that
    of a webhook.

    Served by ASGI, Django stores the whole body, on disk if need be, before any view is called:
    `extracta_rs.asgi.WebhookMiddleware` around the application ends too large ones sooner.

    ```python
    from django.urls import path
    from extracta_rs.django import webhook

    @webhook("E_AI_K_secret")
    def receive(request, event):
        print(event.event, event.dedupe_keys)

    urlpatterns = [path("webhooks/extracta", receive)]
    ```

    Args:
        secret: the webhook secret, or several of which any may match; None for the environment's
            `EXTRACTA_WEBHOOK_SECRET`.
        max_body_size: the most bytes that a body may have, whatever `DATA_UPLOAD_MAX_MEMORY_SIZE`
            is.

    Returns:
        The decorator; `method_decorator(webhook(...), name="dispatch")` for a class.

    Raises:
        ConfigurationError: there is no secret, or it is empty.
    """
    receiver = Receiver(secret, max_body_size)

    def decorate(
        view: Callable[Concatenate[HttpRequest, WebhookEvent, P], Any],
    ) -> Callable[Concatenate[HttpRequest, P], Any]:
        @wraps(view)
        def receive(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                event = receiver.open(
                    _body(request, receiver), request.META.get(SIGNATURE_VARIABLE)
                )
            except RefusedError as refused:
                return _refuse(refused, request)
            answer = view(request, event, *args, **kwargs)
            return HttpResponse(status=204) if answer is None else answer

        @wraps(view)
        async def receive_async(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                # The body may be in a file.
                body = await asyncio.to_thread(_body, request, receiver)
                event = await receiver.open_off_loop(body, request.META.get(SIGNATURE_VARIABLE))
            except RefusedError as refused:
                return _refuse(refused, request)
            answer = await view(request, event, *args, **kwargs)
            return HttpResponse(status=204) if answer is None else answer

        chosen: Any = receive_async if iscoroutinefunction(view) else receive
        exempt: Callable[Concatenate[HttpRequest, P], Any] = csrf_exempt(chosen)
        return exempt

    return decorate


def _body(request: HttpRequest, receiver: Receiver) -> bytes:
    # `request.body` has a limit of its own, 2.5 MB unless a setting says otherwise. What a
    # middleware has read stands in `_body`; what is put there `request.body` returns.
    if hasattr(request, "_body"):
        receiver.admit(request.method, None, None)
    else:
        request._body = _read(request, receiver)
        request._stream = io.BytesIO(request._body)
    body: bytes = request.body
    return body


def _read(request: HttpRequest, receiver: Receiver) -> bytes:
    environ = getattr(request, "environ", None)  # None: served by ASGI
    length = receiver.admit(
        request.method,
        request.META.get("CONTENT_LENGTH"),
        request.META.get("HTTP_TRANSFER_ENCODING"),
        terminated=environ is None or bool(environ.get("wsgi.input_terminated")),
    )
    # Of a body without a length Django reads nothing where WSGI serves it.
    stream = request if environ is None or length is not None else environ["wsgi.input"]
    return receiver.read(stream, length)


def _refuse(refused: RefusedError, request: HttpRequest) -> HttpResponse:
    scope = getattr(request, "scope", None)
    body, version = refused.body(), scope.get("http_version", "1.1") if scope else None
    # Django's own server would let the client wait for the end of the connection without a length.
    headers = {**refused.headers(version), "Content-Length": str(len(body))}
    return HttpResponse(body, "application/json", refused.status, headers=headers)
