"""Fixtures that all tests share: a template on an emulator, and one face for both clients."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import socketserver
import subprocess
import sys
import sysconfig
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pytest
from cli_tools import Shell, shells
from flask import Flask, request
from postgres_server import PostgresServer, programs
from werkzeug.serving import make_server

from extracta_rs import (
    SIGNATURE_HEADER,
    AsyncClient,
    Client,
    Journal,
    JournalError,
    sign,
    verify_signature,
)
from extracta_rs.testing import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


COMMAND = Path(sysconfig.get_path("scripts")) / "extracta-rs"
HOOK_SECRET = "E_AI_K_listen-säcret"
CHILDREN = Path(__file__).parent / "children"
FIELDS = [{"key": "total", "description": "the total", "example": "12.50"}]


@dataclass
class Face:
    """Calls either client with the same words: `face("extractions.view", id)`."""

    name: str
    client: Client | AsyncClient

    def __call__(self, path: str, *args: Any, **kwargs: Any) -> Any:
        method: Any = self.client
        for part in path.split("."):
            method = getattr(method, part)
        return self.run(method, *args, **kwargs)

    def run(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if isinstance(self.client, Client):
            result = method(*args, **kwargs)
            return list(result) if hasattr(result, "__next__") else result

        async def call() -> Any:
            result = method(*args, **kwargs)
            if hasattr(result, "__anext__"):
                return [item async for item in result]
            return await result

        return asyncio.run(call())


@pytest.fixture(params=["blocking", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connect(kind: str, extracta_emulator: Emulator) -> Iterator[Callable[..., Face]]:
    """Build a face on the emulator, with settings of the test's."""
    built: list[Client | AsyncClient] = []

    def connect(**settings: Any) -> Face:
        settings = {
            "api_key": extracta_emulator.api_key,
            "base_url": extracta_emulator.base_url,
            "min_poll_spacing": 0,
            **settings,
        }
        built.append(Client(**settings) if kind == "blocking" else AsyncClient(**settings))
        return Face(kind, built[-1])

    yield connect
    for client in built:
        client.close()


@pytest.fixture
def face(connect: Callable[..., Face]) -> Face:
    """Both clients in turn."""
    return connect()


@pytest.fixture
def extraction_id(extracta_client: Client) -> str:
    """A template on the emulator."""
    return extracta_client.extractions.create("Invoices", fields=FIELDS).extraction_id


@pytest.fixture
def batch_id(extracta_client: Client, extraction_id: str) -> str:
    """A batch of one file."""
    return extracta_client.extractions.upload(extraction_id, ("a.pdf", b"%PDF")).batch_id


@dataclass
class RawServer:
    """A server that answers every request with the same bytes, HTTP or not."""

    url: str
    reply: Callable[[BinaryIO], object]
    requests: list[bytes] = field(default_factory=list)

    def answer(
        self, body: bytes, *headers: str, status: str = "200 OK", length: int | None = None
    ) -> None:
        """Make it answer with a body and headers."""
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {length or len(body)}"]
        head = "\r\n".join([*lines, "Connection: close", "", ""])
        self.reply = lambda stream: stream.write(head.encode("latin-1") + body)


@pytest.fixture
def raw_servers() -> Iterator[Callable[[], RawServer]]:
    """Start servers that speak raw bytes."""
    with contextlib.ExitStack() as stack:

        def start() -> RawServer:
            class Handler(socketserver.StreamRequestHandler):
                def handle(self) -> None:
                    lines = []
                    while (line := self.rfile.readline()) not in (b"\r\n", b""):
                        lines.append(line)
                    sizes = [line for line in lines if line.lower().startswith(b"content-length")]
                    body = self.rfile.read(int(sizes[0].split(b":")[1])) if sizes else b""
                    raw.requests.append(b"".join(lines) + b"\r\n" + body)
                    # The client may leave whenever it has had enough.
                    with contextlib.suppress(OSError):
                        raw.reply(self.wfile)

            server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
            raw = RawServer(f"http://127.0.0.1:{server.server_address[1]}", lambda stream: None)
            thread = threading.Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            stack.callback(server.server_close)
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return raw

        yield start


@pytest.fixture
def raw_server(raw_servers: Callable[[], RawServer]) -> RawServer:
    """One such server."""
    return raw_servers()


def child(script: str, *args: object, **options: Any) -> subprocess.Popen[str]:
    """Start a script of `tests/children` in a process of its own."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", str(CHILDREN / script)]
    return subprocess.Popen(
        [*command, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process: subprocess.Popen[str], timeout: float = 60, tell: str | None = None) -> str:
    """Wait for a child that must end well and say nothing on stderr; return what it printed."""
    try:
        out, err = process.communicate(tell, timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"hangs: {out!r} {err!r}") from None
    assert (process.returncode, err) == (0, "")
    return out


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    return child


@pytest.fixture
def end() -> Callable[..., str]:
    return finish


@dataclass
class App:
    """A Flask app that verifies its deliveries and remembers all that came."""

    url: str = ""
    status: int = 204
    came: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    secret: str = HOOK_SECRET

    def receive(self) -> tuple[str, int]:
        body = request.get_data()
        self.came.append((body, dict(request.headers)))
        if not verify_signature(body, request.headers.get(SIGNATURE_HEADER), self.secret):
            return "forged", 401
        return "" if self.status == 204 else f"the app says {self.status}", self.status


@pytest.fixture
def app() -> Iterator[App]:
    """Such an app, served on a port of its own."""
    app, flask = App(), Flask("app")
    flask.post("/webhooks/extracta")(app.receive)
    server = make_server("127.0.0.1", 0, flask, threaded=True)
    app.url = f"http://127.0.0.1:{server.server_port}/webhooks/extracta"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield app
    server.shutdown()
    thread.join()
    server.server_close()


class Listening:
    """`extracta-rs listen` in a process of its own."""

    def __init__(self, *args: str, as_json: bool = True, secret: str = HOOK_SECRET) -> None:
        self.process = subprocess.Popen(
            [COMMAND, "listen", "--port", "0", *(["--json"] if as_json else []), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "EXTRACTA_WEBHOOK_SECRET": secret, "PYTHONWARNINGS": "error"},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        first = self.line()
        self.url = json.loads(first)["url"] if as_json else first.split()[2]
        self.port = int(self.url.split(":")[2].rstrip("/"))

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)

    def line(self) -> str:
        """Return the next line that it prints."""
        try:
            return self._lines.get(timeout=20)
        except queue.Empty:
            raise AssertionError("listen prints nothing more") from None

    def told(self) -> dict[str, Any]:
        """Return the next delivery that it prints as JSON."""
        told: dict[str, Any] = json.loads(self.line())
        return told

    def ask(
        self,
        method: str,
        path: str = "/",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Make a request; return status, headers and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def deliver(
        self, body: bytes, signature: str | None = None, path: str = "/", **headers: str
    ) -> int:
        """Send a delivery, with the right signature by default; return the status."""
        headers[SIGNATURE_HEADER] = sign(body, HOOK_SECRET) if signature is None else signature
        return self.ask("POST", path, body, {"Content-Type": "application/json", **headers})[0]

    def watch(self) -> socket.socket:
        """Ask for what the page is told, as the page does."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        host = f"127.0.0.1:{self.port}"
        connection.sendall(f"GET /_listen/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return connection

    @staticmethod
    def events(connection: socket.socket) -> Iterator[tuple[str, Any]]:
        """Yield what a page is told."""
        with connection.makefile("rb") as stream:
            assert stream.readline().split()[1] == b"200"
            while stream.readline().strip():
                pass
            while name := stream.readline():
                data = stream.readline()
                assert stream.readline() == b"\n"
                yield name.decode()[7:-1], json.loads(data.decode()[6:])

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and what it wrote to standard error."""
        self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(timeout=10)
        finally:
            self.process.kill()
            self._reader.join()
        assert self.process.stdout
        assert self.process.stderr
        with self.process.stdout, self.process.stderr:
            return code, self.process.stderr.read()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listening]]:
    """Start `extracta-rs listen`, which must end well at the end of the test."""
    with contextlib.ExitStack() as stack:

        def start(*args: str, **options: Any) -> Listening:
            listening = Listening(*args, **options)

            def end() -> None:
                if listening.process.poll() is None:
                    assert listening.end() == (0, "")

            stack.callback(end)
            return listening

        yield start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven documents."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(7):
        (folder / f"{number}.pdf").write_bytes(b"%%PDF %d" % number)
    return folder


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run.journal"


def without_postgres() -> str | None:
    """Tell why nothing can be tested with PostgreSQL, or None."""
    if programs() is None:
        return "PostgreSQL is not installed (Debian's `postgresql`)"
    try:
        Journal("postgresql:///no-host")
    except JournalError as error:
        if "this build" in str(error):
            return "the module was built without the feature `postgres`"
    return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this session's own."""
    if reason := without_postgres():
        required = "postgres" in os.environ.get("EXTRACTA_TESTS_REQUIRE", "").split(",")
        assert not required, reason
        pytest.skip(reason)
    with PostgresServer(fsync="off") as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def either_journal(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a journal is, in a file and in a database in turn."""
    if request.param == "sqlite":
        return str(tmp_path / "run.journal")
    url: str = request.getfixturevalue("postgres").schema()
    return url


@pytest.fixture
def own(kind: str) -> Iterator[Callable[..., tuple[Any, Emulator, str]]]:
    """Start an emulator of the test's own, with a client and an extraction on it."""
    with contextlib.ExitStack() as stack:

        def start(*, first: bool = True, **settings: Any) -> tuple[Any, Emulator, str]:
            emulator = stack.enter_context(Emulator(**settings))
            build: Any = Client if kind == "blocking" else AsyncClient
            client = build(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0)
            stack.callback(client.close)
            face = Face(kind, client)
            created = face("extractions.create", "Runs", fields=FIELDS).extraction_id
            if first:
                # Where an extraction has no batch the emulator shows no list of them.
                face("extractions.upload", created, ("before.txt", b"before"))
            return face, emulator, created

        yield start


@pytest.fixture
def tape_path(tmp_path: Path) -> Path:
    """A cassette that is not there yet."""
    return tmp_path / "cassettes" / "session.json"


@pytest.fixture
def real_service() -> Iterator[Emulator]:
    """What stands for the real service where a cassette is recorded."""
    with Emulator(api_key="sk-live-0123456789", polls_until_finished=2) as emulator:
        yield emulator


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Callable[..., Shell]]:
    """Make a place to run the command line in, with an emulator of its own."""
    with shells(tmp_path) as make:
        yield make
