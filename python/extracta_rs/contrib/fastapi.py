"""FastAPI: a dependency that verifies a delivery and hands it over.

Annotations must be real here: FastAPI does not find the names of those that are strings.
"""

from ..webhooks import Secret, WebhookEvent
from ._common import DEFAULT_MAX_BODY_SIZE, Receiver, RefusedError, needs

with needs("fastapi", "FastAPI"):
    from fastapi import HTTPException, Request
from .starlette import receive_event

__all__ = ["Webhook"]


class Webhook:
    """A FastAPI dependency: the `WebhookEvent` of a delivery whose signature holds.

    For other requests it raises `HTTPException`, whose JSON body is `{"detail": {"error": ...}}`:
    401 where the signature is missing or does not hold, 413 where the body is too large, 405 where
    the method is not POST, 400 where the body is not that of a webhook. Large bodies are verified
    in a thread. `await request.body()` still has the body. Give the path operation no parameter
    of its own for the body: FastAPI would read it whole before this dependency is asked.

    ```python
    from typing import Annotated
    from fastapi import Depends, FastAPI
    from extracta_rs import WebhookEvent
    from extracta_rs.fastapi import Webhook

    app = FastAPI()
    verified = Webhook("E_AI_K_secret")

    @app.post("/webhooks/extracta", status_code=204)
    async def receive(event: Annotated[WebhookEvent, Depends(verified)]) -> None:
        print(event.event, event.dedupe_keys)
    ```

    Args:
        secret: the webhook secret, or several of which any may match; None for the environment's
            `EXTRACTA_WEBHOOK_SECRET`.
        max_body_size: the most bytes that a body may have.

    Raises:
        ConfigurationError: there is no secret, or it is empty.
    """

    def __init__(
        self, secret: Secret | None = None, *, max_body_size: int = DEFAULT_MAX_BODY_SIZE
    ) -> None:
        self._receiver = Receiver(secret, max_body_size)

    async def __call__(self, request: Request) -> WebhookEvent:
        """Return the delivery that a request brings; see `Webhook`."""
        try:
            return await receive_event(request, self._receiver)
        except RefusedError as refused:
            headers = refused.headers(request.scope.get("http_version", "1.1"))
            raise HTTPException(refused.status, refused.details(), headers) from None
