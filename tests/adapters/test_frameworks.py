"""What is particular to one framework: other paths, hooks, mounts, classes, other answers."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import django.http
import fastapi
import flask
import pytest
import starlette.applications
import starlette.middleware
import starlette.middleware.base
import starlette.responses
import starlette.routing
from django.core.wsgi import get_wsgi_application
from django.utils.decorators import method_decorator
from django.views import View

import extracta_rs.asgi
import extracta_rs.django
import extracta_rs.fastapi
import extracta_rs.flask
import extracta_rs.starlette
import extracta_rs.wsgi
from extracta_rs import SIGNATURE_HEADER, WebhookEvent, sign

SECRET = "E_AI_K_adäpters"
PATH = "/webhooks/extracta"
BODY = b'{"result":[{"fileId":"f"}]}'
GOOD = f"{SIGNATURE_HEADER}: {sign(BODY, SECRET)}"


@pytest.fixture
def on(servers: Any) -> Iterator[Callable[..., Any]]:
    """Serve an application; `path` is the one to ask for."""
    with contextlib.ExitStack() as stack:

        def on(server: str, app: Any, path: str = PATH) -> Any:
            site = servers.Site("wsgi" if server == "werkzeug" else "asgi")
            servers.by[server](stack, site, app)
            site.url = site.url.replace(PATH, path)
            return site

        yield on


def test_flask_hooks_may_read_the_body_before(on: Callable[..., Any]) -> None:
    app = flask.Flask("hooks")
    seen = []

    @app.before_request
    def log() -> None:
        seen.append(flask.request.get_data())

    @app.post("/<tenant>/extracta")
    @extracta_rs.flask.webhook(SECRET, max_body_size=100)
    def receive(event: WebhookEvent, tenant: str) -> tuple[dict[str, Any], int]:
        parsed = flask.request.get_json(force=True)
        return {"tenant": tenant, "same": parsed == event.to_dict()}, 202

    site = on("werkzeug", app, "/acme/extracta")
    answer = site.deliver(BODY)
    assert (answer.status, answer.json()) == (202, {"tenant": "acme", "same": True})
    assert site.deliver(BODY + b" " * 100).status == 413
    assert seen[0] == BODY


def test_a_body_that_a_flask_hook_used_up_is_refused(on: Callable[..., Any]) -> None:
    app = flask.Flask("used up")
    app.before_request(lambda: flask.request.stream.read() and None)
    app.register_blueprint(extracta_rs.flask.webhook_blueprint(print, SECRET))
    assert on("werkzeug", app).deliver(BODY).status == 400


def test_flasks_own_limit_holds_too(on: Callable[..., Any]) -> None:
    app = flask.Flask("limit")
    app.config["MAX_CONTENT_LENGTH"] = 20
    app.register_blueprint(extracta_rs.flask.webhook_blueprint(print, SECRET))
    site = on("werkzeug", app)
    for answer in (site.deliver(BODY), site.deliver_chunks(BODY, 5)):
        assert (answer.status, answer.json()) == (413, {"error": "too_large"})
    assert site.deliver(b'{"result":[]}').status == 204


def test_flask_views_may_be_coroutine_functions(on: Callable[..., Any]) -> None:
    app = flask.Flask("coroutines")

    async def receive(event: WebhookEvent) -> str:
        await asyncio.sleep(0)
        return event.files[0].file_id or ""

    app.register_blueprint(
        extracta_rs.flask.webhook_blueprint(receive, SECRET, url="/x", name="a"), url_prefix="/y"
    )
    app.register_blueprint(extracta_rs.flask.webhook_blueprint(print, SECRET, name="b"))
    answer = on("werkzeug", app, "/y/x").deliver(BODY)
    assert (answer.status, answer.body) == (200, b"f")


def test_fastapi_calls_sync_functions_and_other_dependencies(on: Callable[..., Any]) -> None:
    app = fastapi.FastAPI()
    verified = extracta_rs.fastapi.Webhook(SECRET)

    def receive(tenant: str, event: Any, again: Any, body: Any) -> dict[str, Any]:
        return {"tenant": tenant, "same": event == again and body == event.to_dict()}

    receive.__annotations__.update(
        event=Annotated[WebhookEvent, fastapi.Depends(verified)],
        again=Annotated[WebhookEvent, fastapi.Depends(verified, use_cache=False)],
        body=Annotated[dict[str, Any], fastapi.Body()],
    )
    app.post("/{tenant}")(receive)
    site = on("uvicorn", app, "/acme")
    answer = site.post(BODY, GOOD, "Content-Type: application/json")
    assert (answer.status, answer.json()) == (200, {"tenant": "acme", "same": True})
    assert site.post(BODY, "Content-Type: application/json").status == 401
    assert "/{tenant}" in app.openapi()["paths"]


def test_fastapi_lets_the_application_write_the_refusals(on: Callable[..., Any]) -> None:
    app = fastapi.FastAPI()

    @app.exception_handler(fastapi.HTTPException)
    async def plain(request: Any, error: fastapi.HTTPException) -> Any:
        return starlette.responses.PlainTextResponse(error.detail["reason"], error.status_code)

    @app.post(PATH, dependencies=[fastapi.Depends(extracta_rs.fastapi.Webhook(SECRET))])
    def receive() -> None:
        pass

    answer = on("uvicorn", app).post(BODY)
    assert (answer.status, answer.body) == (401, b"missing_header")


def test_starlette_below_middlewares_and_mounts(on: Callable[..., Any]) -> None:
    async def log(request: Any, call_next: Any) -> Any:
        assert await request.body()
        return await call_next(request)

    @extracta_rs.starlette.webhook(SECRET)
    async def receive(request: Any, event: WebhookEvent) -> Any:
        assert await request.json() == event.to_dict()
        return starlette.responses.JSONResponse({"tenant": request.path_params["tenant"]}, 202)

    base = starlette.middleware.base.BaseHTTPMiddleware
    route = starlette.routing.Route("/extracta", receive, methods=["POST"])
    app = starlette.applications.Starlette(
        routes=[starlette.routing.Mount("/{tenant}", routes=[route])],
        middleware=[starlette.middleware.Middleware(base, dispatch=log)],
    )
    site = on("uvicorn", app, "/acme/extracta")
    answer = site.deliver(BODY)
    assert (answer.status, answer.json()) == (202, {"tenant": "acme"})
    assert site.deliver(BODY, "another").status == 401
    assert site.post(BODY, method="PUT").status == 405


def test_asgi_leaves_the_rest_alone() -> None:
    seen = []

    async def app(*args: Any) -> None:
        seen.append(args)

    middleware = extracta_rs.asgi.WebhookMiddleware(app, SECRET)
    scopes: list[dict[str, Any]] = [
        {"type": "lifespan"},
        {"type": "websocket", "path": PATH},
        {"type": "http", "path": f"{PATH}/more", "method": "POST", "headers": []},
        {"type": "http", "path": "/api", "root_path": "/api", "method": "GET", "headers": []},
    ]
    for scope in scopes:
        asyncio.run(middleware(scope, receive := object(), send := object()))  # type: ignore[arg-type]
        assert seen.pop() == (scope, receive, send)
        assert "extracta.event" not in scope


@pytest.mark.parametrize(
    ("path", "root"),
    [
        (PATH, ""),
        (f"/api{PATH}", "/api"),
        (f"/api{PATH}", "/api/"),
        (PATH, "/api"),
    ],
)
def test_asgi_servers_differ_in_what_a_path_is(path: str, root: str) -> None:
    status, _, reached = asgi(path=path, root_path=root)
    assert (status, reached) == (None, True)


@pytest.mark.parametrize(("version", "closed"), [("1.0", True), ("1.1", True), ("2", False)])
def test_http_2_knows_no_connection_header(version: str, closed: bool) -> None:
    status, headers, reached = asgi(
        http_version=version, headers=[(b"content-length", b"10000001")]
    )
    assert (status, reached) == (413, False)
    assert (b"connection" in headers) == closed


def test_asgi_answers_nobody_who_has_left() -> None:
    assert asgi(messages=[{"type": "http.disconnect"}]) == (None, {}, False)


def asgi(messages: Any = None, **more: Any) -> tuple[int | None, dict[bytes, bytes], bool]:
    """Call the middleware as a server would; return status, headers, and if the app was called."""
    signature = (SIGNATURE_HEADER.encode(), sign(BODY, SECRET).encode())
    scope = {"type": "http", "method": "POST", "path": PATH, "headers": [signature], **more}
    messages = messages or [
        {"type": "http.request", "body": BODY[:9], "more_body": True},
        {"type": "http.request", "body": BODY[9:]},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []
    reached = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["extracta.event"].raw == BODY
        assert await receive() == {"type": "http.request", "body": BODY, "more_body": False}
        assert await receive() == {"type": "http.disconnect"}
        reached.append(scope)

    asyncio.run(extracta_rs.asgi.WebhookMiddleware(app, SECRET)(scope, receive, send))
    status = sent[0]["status"] if sent else None
    return status, dict(sent[0]["headers"]) if sent else {}, bool(reached)


def test_asgi_middleware_of_an_application_of_starlettes(on: Callable[..., Any]) -> None:
    async def receive(request: Any) -> Any:
        event = request.scope["extracta.event"]
        assert await request.json() == event.to_dict()
        return starlette.responses.JSONResponse(event.dedupe_keys)

    app = starlette.applications.Starlette(
        routes=[starlette.routing.Route(PATH, receive, methods=["POST"])]
    )
    app.add_middleware(extracta_rs.asgi.WebhookMiddleware, secret=SECRET)
    site = on("uvicorn", app)
    assert len(site.deliver(BODY).json()[0]) == 64
    assert site.post(BODY).status == 401


def test_wsgi_middleware_of_an_application_of_flasks(on: Callable[..., Any]) -> None:
    app = flask.Flask("wrapped")

    @app.post("/größe")
    def receive() -> dict[str, Any]:
        event = flask.request.environ["extracta.event"]
        return {"same": flask.request.get_json(force=True) == event.to_dict()}

    @app.post("/other")
    def other() -> dict[str, Any]:
        keys = [key for key in flask.request.environ if "extracta" in key.lower()]
        return {"keys": keys, "body": flask.request.get_data(as_text=True)}

    app.wsgi_app = extracta_rs.wsgi.WebhookMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, SECRET, path="/größe"
    )
    site = on("werkzeug", app, "/gr%C3%B6%C3%9Fe")
    for answer in (site.deliver(BODY), site.deliver_chunks(BODY, 5)):
        assert (answer.status, answer.json()) == (200, {"same": True})
    assert site.post(BODY).status == 401
    site.url = site.url.replace("/gr%C3%B6%C3%9Fe", "/other")
    # No header can take the event's place.
    answer = site.post(BODY, "extracta.event: x")
    assert answer.json() == {"keys": ["HTTP_EXTRACTA.EVENT"], "body": BODY.decode()}


def test_wsgi_reads_no_further_than_the_length() -> None:
    body = io.BytesIO(BODY + b"the next request")

    def app(environ: Any, start_response: Any) -> list[bytes]:
        return [environ["wsgi.input"].read()]

    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": PATH,
        "CONTENT_LENGTH": str(len(BODY)),
        "HTTP_X_WEBHOOK_SIGNATURE": sign(BODY, SECRET),
        "wsgi.input": body,
    }
    middleware = extracta_rs.wsgi.WebhookMiddleware(app, SECRET)
    assert middleware(environ, print) == [BODY]  # type: ignore[arg-type]
    assert body.read() == b"the next request"


class Broken(io.RawIOBase):
    """The body of a server that, as gunicorn does, has errors of its own for bad chunks."""

    def read(self, size: int | None = -1) -> bytes:
        raise LookupError("invalid chunk size")


@pytest.mark.parametrize("kind", ["flask", "django", "wsgi"])
def test_errors_of_a_servers_own_are_the_senders_fault(kind: str, route: Any) -> None:
    app: Any = get_wsgi_application()
    if kind == "flask":
        app = flask.Flask("broken")
        app.register_blueprint(extracta_rs.flask.webhook_blueprint(print, SECRET))
    if kind == "wsgi":
        app = extracta_rs.wsgi.WebhookMiddleware(print, SECRET)  # type: ignore[arg-type]
    view = extracta_rs.django.webhook(SECRET)(lambda request, event: None)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": route(view) if kind == "django" else PATH,
        "HTTP_TRANSFER_ENCODING": "chunked",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": Broken(),
        "wsgi.input_terminated": True,
    }
    said: list[str] = []
    body = app(environ, lambda status, headers: said.append(status))
    assert [status.lower() for status in said] == ["400 bad request"]
    assert b"".join(body) == b'{"error": "body", "reason": "incomplete"}'


def test_django_views_of_classes_and_what_they_answer(on: Callable[..., Any], route: Any) -> None:
    @method_decorator(extracta_rs.django.webhook(SECRET), name="dispatch")
    class Receive(View):
        def post(self, request: Any, event: WebhookEvent) -> Any:
            return django.http.JsonResponse({"keys": len(event.dedupe_keys)}, status=202)

    site = on("werkzeug", get_wsgi_application(), route(Receive.as_view()))
    answer = site.deliver(BODY)
    assert (answer.status, answer.json()) == (202, {"keys": 1})
    assert site.post(BODY).status == 401
    assert site.post(b"", method="GET").status == 405


def test_a_django_middleware_may_read_the_body_before(on: Callable[..., Any], route: Any) -> None:
    view = extracta_rs.django.webhook(SECRET, max_body_size=100)(
        lambda request, event: django.http.JsonResponse({"same": request.body == event.raw})
    )

    def read_before(request: Any) -> Any:
        assert request.body
        return view(request)

    read_before.csrf_exempt = view.csrf_exempt  # type: ignore[attr-defined]
    site = on("werkzeug", get_wsgi_application(), route(read_before))
    answer = site.deliver(BODY)
    assert (answer.status, answer.json()) == (200, {"same": True})
    assert site.deliver(BODY + b" " * 100).status == 413
    assert site.post(BODY).status == 401


def test_a_body_that_a_django_middleware_used_up_is_refused(
    on: Callable[..., Any], route: Any
) -> None:
    view = extracta_rs.django.webhook(SECRET)(lambda request, event: None)

    def read_before(request: Any) -> Any:
        request.read()
        return view(request)

    read_before.csrf_exempt = True  # type: ignore[attr-defined]
    site = on("werkzeug", get_wsgi_application(), route(read_before))
    assert 400 <= site.deliver(BODY).status < 500
