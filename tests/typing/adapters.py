"""The adapters as users write them; never run, only checked by type checkers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, assert_type
from wsgiref.types import StartResponse, WSGIEnvironment

import flask
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import extracta_rs.asgi
import extracta_rs.django
import extracta_rs.fastapi
import extracta_rs.flask
import extracta_rs.starlette
import extracta_rs.wsgi
from extracta_rs import FileResult, WebhookEvent

flask_app = flask.Flask(__name__)


@flask_app.post("/<tenant>/extracta")
@extracta_rs.flask.webhook(["new", b"old"], max_body_size=1000)
def flask_view(event: WebhookEvent, tenant: str) -> tuple[str, int]:
    assert_type(event.files, list[FileResult])
    return tenant, 200


async def flask_handler(event: WebhookEvent) -> None:
    print(event.event)


assert_type(extracta_rs.flask.webhook_blueprint(flask_handler, "secret"), flask.Blueprint)
flask_app.register_blueprint(extracta_rs.flask.webhook_blueprint(lambda event: None, url="/x"))

fastapi_app = FastAPI()
verified = extracta_rs.fastapi.Webhook("secret")


@fastapi_app.post("/extracta")
async def fastapi_operation(event: Annotated[WebhookEvent, Depends(verified)]) -> dict[str, int]:
    return {"files": len(event.files)}


@extracta_rs.starlette.webhook("secret")
async def starlette_endpoint(request: Request, event: WebhookEvent) -> Response:
    return JSONResponse({"files": len(event.files), "host": request.url.hostname})


@extracta_rs.starlette.webhook("secret")
def starlette_sync_endpoint(request: Request, event: WebhookEvent) -> None:
    print(request.url, event.event)


assert_type(starlette_endpoint, Callable[[Request], Awaitable[Response]])
starlette_app = Starlette(
    routes=[
        Route("/extracta", starlette_endpoint, methods=["POST"]),
        Route("/sync", starlette_sync_endpoint, methods=["POST"]),
    ]
)
starlette_app.add_middleware(extracta_rs.asgi.WebhookMiddleware, secret="secret", path="/x")
wrapped = extracta_rs.asgi.WebhookMiddleware(starlette_app, "secret", max_body_size=1000)


@extracta_rs.django.webhook("secret")
def django_view(request: Any, event: WebhookEvent, tenant: str) -> None:
    print(request.path, event.event, tenant)


@extracta_rs.django.webhook("secret")
async def django_async_view(request: Any, event: WebhookEvent) -> None:
    print(request.path, event.event)


def wsgi_app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("204 No Content", [])
    return []


flask_app.wsgi_app = extracta_rs.wsgi.WebhookMiddleware(  # type: ignore[method-assign]
    flask_app.wsgi_app, "secret"
)
extracta_rs.wsgi.WebhookMiddleware(wsgi_app)
