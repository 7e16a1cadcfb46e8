"""Settings that users of other clients expect, each on a real server."""

from __future__ import annotations

import contextlib
import itertools
import logging
import pickle
import platform
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from test_network import Proxy, Relay, tls

import extracta_rs
from extracta_rs import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    Client,
    ConfigurationError,
    ServerError,
    Timeout,
    UploadOutcomeUnknownError,
)
from extracta_rs.testing import Emulator

SECRET = "SECRET-VALUE-321"
ANSWER = b'{"credits": 7}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, *map(str.lower, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with contextlib.closing(Proxy()) as proxy:
        yield proxy


@pytest.fixture
def secure(extracta_emulator: Emulator, authority: trustme.CA) -> Iterator[str]:
    """The emulator behind TLS; its address."""
    relay = Relay(extracta_emulator.base_url, tls(authority, "localhost"))
    with contextlib.closing(relay):
        yield f"https://localhost:{relay.port}{urlsplit(extracta_emulator.base_url).path}"


class Slow:
    """A server that does with each connection what a test says."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self.over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._serve(connection)

    def close(self) -> None:
        self.over.set()
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def slow() -> Iterator[Callable[[Callable[[socket.socket], None]], Slow]]:
    with contextlib.ExitStack() as stack:

        def start(serve: Callable[[socket.socket], None]) -> Slow:
            return stack.enter_context(contextlib.closing(Slow(serve)))

        yield start


def read_head(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536) or b"\r\n\r\n"


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def dripping(connection: socket.socket) -> None:
    """Answer a byte at a time, for half a second."""
    read_head(connection)
    connection.sendall(HEAD)
    for byte in ANSWER:
        time.sleep(0.5 / len(ANSWER))
        connection.sendall(bytes([byte]))


def stalling(connection: socket.socket) -> None:
    read_head(connection)
    connection.sendall(HEAD + ANSWER[:3])
    silent(connection)


def credits_of(kind: str, url: str, **settings: Any) -> int:
    """Ask either client, which is closed then."""
    import asyncio

    settings = {"max_retries": 0, "base_url": url, **settings}
    if kind == "blocking":
        with Client("key-of-test", **settings) as client:
            return client.credits()

    async def ask() -> int:
        async with AsyncClient("key-of-test", **settings) as client:
            return await client.credits()

    return asyncio.run(ask())


@pytest.mark.parametrize("serve", [silent, stalling])
def test_an_answer_that_stands_still(serve: Any, slow: Any, kind: str) -> None:
    url = f"http://127.0.0.1:{slow(serve).port}"
    began = time.monotonic()
    with pytest.raises(APITimeoutError, match=r"no byte of the answer within 0\.2 s") as raised:
        credits_of(kind, url, timeout=Timeout(read=0.2))
    assert 0.2 <= time.monotonic() - began < 5
    assert raised.value.request_sent is True


def test_a_slow_answer_is_no_still_one(slow: Any, kind: str) -> None:
    url = f"http://127.0.0.1:{slow(dripping).port}"
    assert credits_of(kind, url, timeout=Timeout(read=0.4)) == 7
    with pytest.raises(APITimeoutError, match=r"no answer within 0\.2 s"):
        credits_of(kind, url, timeout=Timeout(total=0.2, read=0.4))
    with pytest.raises(APITimeoutError, match=r"no answer within 0\.2 s"):
        credits_of(kind, url, timeout=timedelta(seconds=0.2))


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": Timeout(connect=0.3)},
        {"connect_timeout": 0.3},
        {"timeout": Timeout(connect=timedelta(seconds=0.3)), "connect_timeout": 30},
        # Reading has not begun.
        {"timeout": Timeout(connect=0.3, read=0.05)},
    ],
)
def test_a_connection_that_is_not_made(settings: Any, slow: Any, kind: str) -> None:
    url = f"https://127.0.0.1:{slow(silent).port}"
    began = time.monotonic()
    with pytest.raises(APITimeoutError, match=r"no connection within 0\.3 s") as raised:
        credits_of(kind, url, **settings)
    assert 0.3 <= time.monotonic() - began < 5
    assert raised.value.request_sent is False


def test_connecting_takes_nothing_of_the_time_to_read(
    slow: Any, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    context = tls(authority, "localhost")

    def serve(connection: socket.socket) -> None:
        time.sleep(0.6)
        wrapped = context.wrap_socket(connection, server_side=True)
        with contextlib.closing(wrapped):
            read_head(wrapped)
            wrapped.sendall(HEAD + ANSWER)

    url = f"https://localhost:{slow(serve).port}"
    settings = {"timeout": Timeout(read=0.4, connect=10), "ca_bundle": bundle}
    assert credits_of("blocking", url, **settings) == 7


def test_an_upload_that_stands_still(slow: Any) -> None:
    def serve(connection: socket.socket) -> None:
        read_head(connection)
        server.over.wait()

    server = slow(serve)
    with Client("key-of-test", base_url=f"http://127.0.0.1:{server.port}") as client:
        brief = client.with_options(timeout=Timeout(write=0.3))
        began = time.monotonic()
        with pytest.raises(UploadOutcomeUnknownError) as raised:
            brief.extractions.upload("x", ("a.pdf", b"x" * 50_000_000))
        assert 0.3 <= time.monotonic() - began < 20
        assert "no byte of the upload taken within 0.3 s" in str(raised.value)
        assert isinstance(raised.value.__cause__, APITimeoutError)
        # Once all is taken it is the answer that is waited for.
        brief = client.with_options(timeout=Timeout(write=30, read=0.3))
        with pytest.raises(UploadOutcomeUnknownError, match=r"no byte of the answer within 0\.3"):
            brief.extractions.upload("x", ("a.pdf", b"x" * 1000))


def test_an_upload_may_take_longer_than_the_total(
    extracta_emulator: Emulator, extraction_id: str, connect: Any
) -> None:
    class Dripping:
        left = 8

        def read(self, size: int = -1) -> bytes:
            time.sleep(0.1)
            self.left -= 1
            return b"x" * 100 if self.left >= 0 else b""

    face = connect(timeout=Timeout(total=0.5))
    assert face("extractions.upload", extraction_id, ("a.pdf", Dripping())).files


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), timedelta(0)])
@pytest.mark.parametrize("phase", ["total", "connect", "read", "write", "pool"])
def test_a_limit_that_is_none_is_refused(phase: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"^timeout\.{phase}: "):
        Timeout(**{phase: value})
    with pytest.raises(TypeError, match=phase):
        Timeout(**{phase: "1"})


def test_timeouts_are_values() -> None:
    limits = Timeout(5, read=timedelta(seconds=2))
    assert limits == Timeout(total=5.0, read=2.0)
    assert limits.over(Timeout(1, connect=3)) == Timeout(5, connect=3, read=2)
    assert pickle.loads(pickle.dumps(limits)) == limits


def test_options_of_a_call(connect: Any, extracta_emulator: Emulator, kind: str) -> None:
    face = connect(timeout=30, max_retries=2, headers={"X-Team": "a", "X-Keep": "k"})
    client = face.client
    extracta_emulator.faults.add("credits", status=500, times=1)
    face.client = client.with_options(max_retries=0, headers={"x-team": "b"})
    assert type(face.client) is type(client)
    with pytest.raises(ServerError):
        face("credits")
    face.client = face.client.with_options(timeout=0.2)
    extracta_emulator.faults.add("credits", delay=5, times=1)
    with pytest.raises(APITimeoutError, match=r"within 0\.2 s"):
        face("credits")
    face.client = client
    assert face("credits") > 0
    teams = [request.header("x-team") for request in extracta_emulator.requests()]
    assert teams == ["b", "b", "a"]
    assert {request.header("x-keep") for request in extracta_emulator.requests()} == {"k"}


def test_copies_share_connections_and_end_together(face: Any) -> None:
    client = face.client
    copy = client.with_options(timeout=Timeout(read=5), max_retries=1)
    if isinstance(client, Client):
        client.credits()
        copy.credits()
        assert client.stats().connections == 1
    copy.close()
    assert client.closed
    with pytest.raises(extracta_rs.ClientClosedError):
        face("credits")


def test_copies_share_the_limiter(extracta_emulator: Emulator) -> None:
    address = {"base_url": extracta_emulator.base_url}
    with Client(extracta_emulator.api_key, min_poll_spacing=0.3, **address) as client:
        made = client.extractions.create("Invoices", fields=[{"key": "total"}])
        batch = client.extractions.upload(made.extraction_id, ("a.pdf", b"%PDF"))
        copies = [client.with_options(timeout=10), client.with_options(max_retries=0), client]
        for copy in copies:
            copy.extractions.results(made.extraction_id, batch.batch_id)
    polls = [r for r in extracta_emulator.requests() if r.endpoint == "getBatchResults"]
    gaps = [b.time - a.time for a, b in itertools.pairwise(polls)]
    assert len(gaps) == 2
    assert min(gaps) >= 0.29


def test_polls_of_a_wait_have_its_options(
    connect: Any, extracta_emulator: Emulator, extraction_id: str, batch_id: str
) -> None:
    face = connect()
    face.client = face.client.with_options(timeout=0.3, headers={"x-wait": "yes"})
    extracta_emulator.faults.add("getBatchResults", delay=5, times=1)
    began = time.monotonic()
    assert face("extractions.wait", extraction_id, batch_id, poll_interval=0.01).finished
    assert time.monotonic() - began < 4
    polls = [r for r in extracta_emulator.requests() if r.endpoint == "getBatchResults"]
    assert {poll.header("x-wait") for poll in polls} == {"yes"}
    assert face.client.stats().failures["APITimeoutError"] == 1


@pytest.mark.parametrize("option", [{"timeout": 0}, {"max_retries": -1}, {"headers": {"": "x"}}])
def test_a_bad_option_is_named(option: dict[str, Any], face: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"^{next(iter(option))}: "):
        face.client.with_options(**option)


REFUSED = [
    "Authorization", "content-type", "Content-Length", "Transfer-Encoding", "Host", "Connection",
    "User-Agent", "Accept-Encoding", "Proxy-Authorization", "TE", "Upgrade", "Expect", "Trailer",
    "Keep-Alive", "Proxy-Connection", "Content-Encoding",
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_headers_that_the_client_writes_are_refused(name: str, kind: str) -> None:
    face: Any = Client if kind == "blocking" else AsyncClient
    with pytest.raises(ConfigurationError, match=f"^headers: {name.lower()} cannot") as raised:
        face("key-of-test", headers={name: SECRET})
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "é", "a\r\nb", "a\0"])
def test_what_is_no_name_of_a_header(name: str) -> None:
    with pytest.raises(ConfigurationError, match="no name of a header"):
        Client("key-of-test", headers={name: SECRET})


@pytest.mark.parametrize("value", [f"{SECRET}\r\nX: y", f"{SECRET}\0", f"{SECRET}é", "\x7f"])
def test_what_a_header_cannot_carry(value: str) -> None:
    with pytest.raises(ConfigurationError, match="the value of x-a has") as raised:
        Client("key-of-test", headers={"X-A": value})
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "headers", [[("a", SECRET)], {"a": 1}, {1: SECRET}, {b"a": SECRET}, SECRET]
)
def test_headers_of_another_type(headers: Any) -> None:
    with pytest.raises(TypeError, match="headers must be") as raised:
        Client("key-of-test", headers=headers)
    assert SECRET not in str(raised.value)


def test_headers_go_along_and_are_not_shown(
    connect: Any,
    extracta_emulator: Emulator,
    extraction_id: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    face = connect(headers={"X-Gateway": SECRET, "Accept": "application/json"}, max_retries=0)
    with caplog.at_level(logging.DEBUG):
        face("extractions.upload", extraction_id, ("a.pdf", b"%PDF"))
        extracta_emulator.faults.add("credits", status=400)
        with pytest.raises(extracta_rs.BadRequestError) as raised:
            face("credits")
    upload, credits_ = extracta_emulator.requests()[-2:]
    for request in (upload, credits_):
        assert request.header("x-gateway") == SECRET
        assert request.header("authorization") == f"Bearer {extracta_emulator.api_key}"
    assert upload.header("content-type").startswith("multipart/form-data")  # type: ignore[union-attr]
    monkeypatch.setenv("EXTRACTA_API_KEY", extracta_emulator.api_key)
    pickled = pickle.dumps(face.client)
    assert SECRET not in f"{pickled!r} {face.client!r} {caplog.text} {raised.value!r}"
    pickle.loads(pickled).close()


def test_the_user_agent_names_versions(connect: Any, extracta_emulator: Emulator) -> None:
    connect()("credits")
    connect(user_agent="invoices/2.1 (team x)")("credits")
    plain, own = [request.header("user-agent") for request in extracta_emulator.requests()]
    assert plain == (
        f"extracta_rs/{extracta_rs.__version__} python/{platform.python_version()}"
        f" {sys.platform}/{platform.machine()}"
    )
    assert own == f"{plain} invoices/2.1 (team x)"


def test_a_pickled_client_keeps_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRACTA_API_KEY", "key-of-test")
    client = Client(timeout=Timeout(5, read=1), user_agent="mine/1").with_options(max_retries=7)
    again = pickle.loads(pickle.dumps(client))
    assert again._settings == client._settings
    assert again._settings["timeout"] == Timeout(5, read=1)
    assert again._settings["max_retries"] == 7


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_of_the_environment(
    variable: str,
    secure: str,
    extracta_emulator: Emulator,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {"base_url": secure, "max_retries": 0}
    with (
        Client(extracta_emulator.api_key, **settings) as client,
        pytest.raises(APIConnectionError, match="certificate"),
    ):
        client.credits()
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    (tmp_path / "README").write_bytes(b"\xff\x00 no certificate")
    (tmp_path / "ca.pem").write_bytes(broken + authority.cert_pem.bytes())
    (tmp_path / "folder").mkdir()
    named = tmp_path / "ca.pem" if variable == "SSL_CERT_FILE" else tmp_path
    monkeypatch.setenv(variable, str(named))
    with Client(extracta_emulator.api_key, **settings) as client:
        assert client.credits() > 0
    # The bundle is trusted besides, not instead.
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with Client(extracta_emulator.api_key, ca_bundle=other, **settings) as client:
        assert client.credits() > 0
    # What the environment names stands in the place of the system's store.
    monkeypatch.setenv(variable, str(other if variable == "SSL_CERT_FILE" else tmp_path / "no"))
    if variable == "SSL_CERT_FILE":
        with (
            Client(extracta_emulator.api_key, **settings) as client,
            pytest.raises(APIConnectionError, match="certificate"),
        ):
            client.credits()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SSL_CERT_FILE", "/missing.pem"),
        ("SSL_CERT_FILE", __file__),
        ("SSL_CERT_FILE", "/"),
        ("SSL_CERT_DIR", "/missing"),
        ("SSL_CERT_DIR", str(Path(__file__).parent)),
        ("SSL_CERT_FILE", ""),
        ("SSL_CERT_DIR", ""),
    ],
)
def test_certificates_that_are_none(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=f"^{variable}: {value}"):
        Client("key-of-test")
    # Where nothing is encrypted, nothing is read.
    Client("key-of-test", base_url="http://localhost").close()


def test_the_system_s_store_is_read(tmp_path: Path) -> None:
    # In a process of its own: the paths are the system's, which a test must not change.
    store = ssl.get_default_verify_paths().openssl_cafile
    if not Path(store).is_file():
        pytest.skip("this system has no store at OpenSSL's path")
    program = "from extracta_rs import Client; Client('key-of-test').close()"
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, cwd=tmp_path)


@pytest.mark.parametrize(
    ("environment", "used"),
    [
        ({"http_proxy": "PROXY"}, True),
        ({"HTTP_PROXY": "PROXY"}, True),
        ({"ALL_PROXY": "PROXY"}, True),
        ({"all_proxy": "PROXY"}, True),
        ({"HTTPS_PROXY": "PROXY"}, False),
        ({"HTTP_PROXY": "PROXY", "NO_PROXY": "other.test"}, True),
        ({"HTTP_PROXY": "PROXY", "NO_PROXY": "invalid"}, False),
        ({"HTTP_PROXY": "PROXY", "no_proxy": "a.test, .service.invalid"}, False),
        ({"HTTP_PROXY": "PROXY", "NO_PROXY": "*"}, False),
        ({"HTTP_PROXY": ""}, False),
    ],
)
def test_proxies_of_the_environment(
    environment: dict[str, str],
    used: bool,
    proxy: Proxy,
    extracta_emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        url = f"http://user:pass@127.0.0.1:{proxy.port}"
        monkeypatch.setenv(name, value.replace("PROXY", url))
    port, path = (
        urlsplit(extracta_emulator.base_url).port,
        urlsplit(extracta_emulator.base_url).path,
    )
    settings: dict[str, Any] = {"allow_insecure_http": True, "max_retries": 0}
    url = f"http://service.invalid:{port}{path}"
    with Client(extracta_emulator.api_key, base_url=url, **settings) as client:
        if used:
            assert client.credits() > 0
            assert b"proxy-authorization: Basic dXNlcjpwYXNz" in proxy.heads[0]
        else:
            with pytest.raises(APIConnectionError, match=r"service\.invalid"):
                client.credits()
    assert bool(proxy.heads) is used


def test_the_argument_comes_before_the_environment(
    proxy: Proxy, extracta_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in PROXIES[:3]:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    url = urlsplit(extracta_emulator.base_url)
    with Client(
        extracta_emulator.api_key,
        base_url=f"http://service.invalid:{url.port}{url.path}",
        proxy=f"http://127.0.0.1:{proxy.port}",
        allow_insecure_http=True,
    ) as client:
        assert client.credits() > 0
    # This machine is reached without any.
    with Client(extracta_emulator.api_key, base_url=extracta_emulator.base_url) as client:
        assert client.credits() > 0


@pytest.mark.parametrize(
    "value", ["ftp://u:SECRET-VALUE-321@h", "http://u:SECRET-VALUE-321@h:port"]
)
def test_a_proxy_of_the_environment_that_is_none(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", value)
    with pytest.raises(ConfigurationError, match=r"^https_proxy: is not a proxy's URL") as raised:
        Client("key-of-test")
    assert SECRET not in str(raised.value)
    Client("key-of-test", base_url="http://localhost").close()


class Socks(Proxy):
    """A SOCKS5 proxy without passwords, which finds every name on this machine."""

    def upstream(self, client: socket.socket) -> socket.socket | None:
        stream = client.makefile("rb", buffering=0)
        _, methods = stream.read(2)
        stream.read(methods)
        client.sendall(b"\x05\x00")
        _, command, _, kind = stream.read(4)
        length = {1: 4, 4: 16}.get(kind) or stream.read(1)[0]
        host = stream.read(length)
        (port,) = struct.unpack(">H", stream.read(2))
        assert command == 1
        self.heads.append(host)
        upstream = self.connect(port)
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        return upstream


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_a_socks_proxy(
    way: str,
    extracta_emulator: Emulator,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    url = urlsplit(extracta_emulator.base_url)
    with (
        contextlib.closing(Relay(extracta_emulator.base_url, tls(authority, "far.test"))) as relay,
        contextlib.closing(Socks()) as socks,
    ):
        through = f"socks5h://127.0.0.1:{socks.port}"
        if way == "environment":
            monkeypatch.setenv("ALL_PROXY", through)
        with Client(
            extracta_emulator.api_key,
            base_url=f"https://far.test:{relay.port}{url.path}",
            proxy=through if way == "argument" else None,
            ca_bundle=bundle,
            max_retries=0,
        ) as client:
            assert client.credits() > 0
        assert socks.heads == [b"far.test"]
