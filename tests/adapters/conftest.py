"""Every adapter in its framework, on a real server and port, behind one face: `Site`."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import select
import socket
import socketserver
import sys
import threading
import types
import wsgiref.simple_server
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Annotated, Any
from urllib.parse import urlsplit

import django
import django.conf
import fastapi
import flask
import pytest
import starlette.applications
import starlette.routing
import uvicorn
from django.core.asgi import get_asgi_application
from django.core.servers.basehttp import WSGIRequestHandler, WSGIServer
from django.core.wsgi import get_wsgi_application
from django.urls import clear_url_caches, path
from werkzeug.serving import make_server

import extracta_rs.asgi
import extracta_rs.django
import extracta_rs.fastapi
import extracta_rs.flask
import extracta_rs.starlette
import extracta_rs.wsgi
from extracta_rs import SIGNATURE_HEADER, WebhookEvent, sign

SECRET = "E_AI_K_adäpters"
ROTATION = ["E_AI_K_the next one", SECRET]
LIMIT = 100_000
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"]
PATH = "/webhooks/extracta"
Stack = contextlib.ExitStack


def pytest_configure(config: pytest.Config) -> None:
    """Configure Django, which can be done once in a process."""
    sys.modules["adapters_urls"] = types.ModuleType("adapters_urls")
    sys.modules["adapters_urls"].urlpatterns = []  # type: ignore[attr-defined]
    if not django.conf.settings.configured:
        django.conf.settings.configure(
            ALLOWED_HOSTS=["127.0.0.1"],
            LOGGING_CONFIG=None,
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
            ROOT_URLCONF="adapters_urls",
            SECRET_KEY="tests",
        )
        django.setup()


@dataclass
class Answer:
    """What a server said, and what happened to the connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        # FastAPI puts what an error says under `detail`.
        said = json.loads(self.body)
        return said.get("detail", said) if isinstance(said, dict) else said


@dataclass
class Site:
    """A server with a handler that notes what it gets."""

    kind: str
    url: str = ""
    events: list[WebhookEvent] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    loop: asyncio.AbstractEventLoop | None = None

    def handle(self, event: WebhookEvent, body: bytes) -> None:
        self.events.append(event)
        self.bodies.append(body)
        if any(file.file_id == "explode" for file in event.files):
            raise RuntimeError("the handler failed")

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        assert parts.hostname
        return socket.create_connection((parts.hostname, parts.port or 80), timeout=60)

    def head(self, *headers: str | bytes, method: str = "POST") -> bytes:
        """Return a request's head, from header lines that are taken as they are."""
        parts = urlsplit(self.url)
        first = f"{method} {parts.path} HTTP/1.1", f"Host: {parts.netloc}"
        lines = (line.encode() if isinstance(line, str) else line for line in (*first, *headers))
        return b"\r\n".join([*lines, b"", b""])

    def send(self, *headers: str | bytes, body: bytes = b"", method: str = "POST") -> Answer:
        """Send bytes as they are."""
        for _ in range(5):
            with self.connect() as connection, contextlib.suppress(CutOffError):
                # A server that does not want all of it may have answered and left.
                with contextlib.suppress(OSError):
                    connection.sendall(self.head(*headers, method=method) + body)
                return answer(connection, method)
        raise AssertionError("the server never got its answer through")

    def flood(self, *headers: str, body: bytes) -> tuple[Answer, int]:
        """Send a body over and over until the server answers; return how many bytes it let in."""
        sent = 0
        with self.connect() as connection:
            connection.sendall(self.head(*headers))
            connection.setblocking(False)
            while True:
                readable, writable, _ = select.select([connection], [connection], [], 60)
                if readable or not writable:
                    break
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    sent += connection.send(body[sent % len(body) :])
            connection.settimeout(60)
            return answer(connection), sent

    def hang_up(self, *headers: str, body: bytes = b"") -> Answer | None:
        """Send a part of a request and no more; return the answer, where the server gives one."""
        with self.connect() as connection:
            # The server may have left before.
            with contextlib.suppress(OSError):
                connection.sendall(self.head(*headers) + body)
                connection.shutdown(socket.SHUT_WR)
            try:
                return answer(connection)
            except (http.client.HTTPException, ConnectionError, CutOffError):
                return None

    def pipeline(self, *requests: bytes) -> list[Answer]:
        """Send requests one after the other on one connection."""
        with self.connect() as connection:
            answers = []
            for request in requests:
                connection.sendall(request)
                answers.append(answer(connection))
            return answers

    @property
    def takes_chunks(self) -> bool:
        """`wsgiref` does not understand them, nor Django's server, which stands on it."""
        return self.kind not in ("wsgi", "django")

    @property
    def reads_first(self) -> bool:
        """Served by ASGI, Django reads the whole body before it calls a view."""
        return self.kind in ("django-asgi", "django-async")

    @property
    def is_wsgi(self) -> bool:
        return self.loop is None

    def post(self, body: bytes, *headers: str, method: str = "POST") -> Answer:
        return self.send(f"Content-Length: {len(body)}", *headers, body=body, method=method)

    def deliver(self, body: bytes, secret: str = SECRET) -> Answer:
        return self.post(body, f"{SIGNATURE_HEADER}: {sign(body, secret)}")

    def deliver_chunks(self, body: bytes, size: int) -> Answer:
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        chunks = b"".join(map(chunk, [*pieces, b""]))
        signature = f"{SIGNATURE_HEADER}: {sign(body, SECRET)}"
        return self.send("Transfer-Encoding: chunked", signature, body=chunks)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class CutOffError(Exception):
    """The head of an answer came, the rest did not: TCP throws away what a server has still to
    send when it leaves with bytes of the request unread."""


def answer(connection: socket.socket, method: str = "POST") -> Answer:
    with http.client.HTTPResponse(connection, method=method) as response:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        try:
            return Answer(response.status, headers, response.read())
        except (http.client.IncompleteRead, ConnectionResetError) as error:
            raise CutOffError from error


def in_thread(stack: Stack, server: Any) -> None:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    stack.callback(server.server_close)
    stack.callback(thread.join)
    stack.callback(server.shutdown)


def by_werkzeug(stack: Stack, site: Site, app: Any) -> None:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    in_thread(stack, server)
    site.url = f"http://127.0.0.1:{server.server_port}{PATH}"


class QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Do not write to the terminal."""


class ThreadingServer(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    pass


class DjangoServer(socketserver.ThreadingMixIn, WSGIServer):
    pass


def by_wsgiref(stack: Stack, site: Site, app: Any) -> None:
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, ThreadingServer, QuietHandler)
    in_thread(stack, server)
    site.url = f"http://127.0.0.1:{server.server_port}{PATH}"


def by_uvicorn(stack: Stack, site: Site, app: Any) -> None:
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
    started = threading.Event()

    async def serve() -> None:
        site.loop = asyncio.get_running_loop()
        started.set()
        await server.serve(sockets=[listening])

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join()

    stack.callback(stop)
    assert started.wait(60)
    site.url = f"http://127.0.0.1:{listening.getsockname()[1]}{PATH}"


def serve_flask(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    app = flask.Flask("adapters")

    @app.route(PATH, methods=METHODS, provide_automatic_options=False)
    @extracta_rs.flask.webhook(*args, **options)
    def receive(event: WebhookEvent) -> None:
        site.handle(event, flask.request.get_data())

    by_werkzeug(stack, site, app)


def serve_flask_blueprint(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    app = flask.Flask("adapters")

    def receive(event: WebhookEvent) -> None:
        site.handle(event, flask.request.get_data())

    blueprint = extracta_rs.flask.webhook_blueprint(receive, *args, url=PATH, **options)
    app.register_blueprint(blueprint)
    by_werkzeug(stack, site, app)


def serve_fastapi(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    app = fastapi.FastAPI()
    verified = extracta_rs.fastapi.Webhook(*args, **options)

    async def receive(request: fastapi.Request, event: Any) -> None:
        site.handle(event, await request.body())

    receive.__annotations__.update(
        {"request": fastapi.Request, "event": Annotated[WebhookEvent, fastapi.Depends(verified)]}
    )
    app.api_route(PATH, methods=METHODS, status_code=204, response_model=None)(receive)
    by_uvicorn(stack, site, app)


def serve_starlette(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    @extracta_rs.starlette.webhook(*args, **options)
    async def receive(request: Any, event: WebhookEvent) -> None:
        site.handle(event, await request.body())

    route = starlette.routing.Route(PATH, receive, methods=METHODS)
    by_uvicorn(stack, site, starlette.applications.Starlette(routes=[route]))


def serve_starlette_sync(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    @extracta_rs.starlette.webhook(*args, **options)
    def receive(request: Any, event: WebhookEvent) -> None:
        site.handle(event, asyncio.run(request.body()))

    route = starlette.routing.Route(PATH, receive, methods=METHODS)
    by_uvicorn(stack, site, starlette.applications.Starlette(routes=[route]))


def serve_asgi(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        site.handle(scope["extracta.event"], body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    by_uvicorn(stack, site, extracta_rs.asgi.WebhookMiddleware(app, *args, path=PATH, **options))


def wsgi_app(site: Site) -> Any:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        site.handle(environ["extracta.event"], body)
        start_response("204 No Content", [])
        return []

    return app


def serve_wsgi(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    app = extracta_rs.wsgi.WebhookMiddleware(wsgi_app(site), *args, path=PATH, **options)
    by_wsgiref(stack, site, app)


def serve_wsgi_werkzeug(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    app = extracta_rs.wsgi.WebhookMiddleware(wsgi_app(site), *args, path=PATH, **options)
    by_werkzeug(stack, site, app)


names = count()


def django_route(site: Site, view: Any) -> str:
    name = f"webhooks/{next(names)}"
    sys.modules["adapters_urls"].urlpatterns.append(path(name, view))  # type: ignore[attr-defined]
    clear_url_caches()
    return f"/{name}"


def django_view(site: Site, *args: Any, **options: Any) -> str:
    @extracta_rs.django.webhook(*args, **options)
    def receive(request: Any, event: WebhookEvent) -> None:
        assert request.read() == request.body
        site.handle(event, request.body)

    return django_route(site, receive)


def django_async_view(site: Site, *args: Any, **options: Any) -> str:
    @extracta_rs.django.webhook(*args, **options)
    async def receive(request: Any, event: WebhookEvent) -> None:
        site.handle(event, request.body)

    return django_route(site, receive)


def serve_django(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    route = django_view(site, *args, **options)
    server = DjangoServer(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(get_wsgi_application())
    in_thread(stack, server)
    site.url = f"http://127.0.0.1:{server.server_port}{route}"


def serve_django_werkzeug(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    route = django_view(site, *args, **options)
    by_werkzeug(stack, site, get_wsgi_application())
    site.url = site.url.replace(PATH, route)


def serve_django_asgi(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    route = django_view(site, *args, **options)
    by_uvicorn(stack, site, get_asgi_application())
    site.url = site.url.replace(PATH, route)


def serve_django_async(stack: Stack, site: Site, *args: Any, **options: Any) -> None:
    route = django_async_view(site, *args, **options)
    by_uvicorn(stack, site, get_asgi_application())
    site.url = site.url.replace(PATH, route)


KINDS: dict[str, Callable[..., None]] = {
    "flask": serve_flask,
    "flask-blueprint": serve_flask_blueprint,
    "fastapi": serve_fastapi,
    "starlette": serve_starlette,
    "starlette-sync": serve_starlette_sync,
    "asgi": serve_asgi,
    "wsgi": serve_wsgi,
    "wsgi-werkzeug": serve_wsgi_werkzeug,
    "django": serve_django,
    "django-werkzeug": serve_django_werkzeug,
    "django-asgi": serve_django_asgi,
    "django-async": serve_django_async,
}
ASYNC = ["fastapi", "starlette", "asgi", "django-async"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def serve() -> Iterator[Callable[..., Site]]:
    """Serve an adapter that was built with these arguments."""
    with contextlib.ExitStack() as stack:

        def serve(kind: str, *args: Any, **options: Any) -> Site:
            site = Site(kind)
            KINDS[kind](stack, site, *args, **options)
            return site

        yield serve


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        site = Site(request.param)
        KINDS[request.param](stack, site, ROTATION, max_body_size=LIMIT)
        yield site


@pytest.fixture
def site(shared: Site) -> Site:
    """Each adapter in turn, with two secrets and a small limit."""
    shared.events.clear()
    shared.bodies.clear()
    return shared


@pytest.fixture
def servers() -> Any:
    """The servers by name, and `Site`."""
    return types.SimpleNamespace(Site=Site, by={"werkzeug": by_werkzeug, "uvicorn": by_uvicorn})


@pytest.fixture
def route() -> Callable[[Any], str]:
    """Give a view of Django's a path, and return it."""
    return lambda view: django_route(Site("django"), view)
