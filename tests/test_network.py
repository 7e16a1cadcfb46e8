"""What goes wrong below HTTP: names, TLS, proxies, connections that die without a word."""

from __future__ import annotations

import contextlib
import datetime
import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from extracta_rs import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    Client,
    ExtractaError,
    UploadOutcomeUnknownError,
)
from extracta_rs.testing import Emulator

PDF = ("a.pdf", b"%PDF")
RESET = struct.pack("ii", 1, 0)


class Relay:
    """Carries connections to the emulator, keeps what clients sent, and can die in several ways."""

    def __init__(self, target: str | None, tls: ssl.SSLContext | None = None) -> None:
        self.received = bytearray()
        self.connections: list[socket.socket] = []
        self.frozen = threading.Event()
        self._opened: list[socket.socket] = []
        self._target = target and urlsplit(target).netloc.rsplit(":", 1)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                client = self._wrapped(client, self._tls)
            upstream = self.upstream(client)
            if upstream is None:
                self._pump(client, None)
                return
            threading.Thread(target=self._pump, args=(client, upstream), daemon=True).start()
            self._pump(upstream, client)

    def _wrapped(self, client: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        wrapped = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        self._opened.append(wrapped)
        wrapped.do_handshake()
        return wrapped

    def upstream(self, client: socket.socket) -> socket.socket | None:
        if not self._target:
            return None
        return self.connect(int(self._target[1]))

    def connect(self, port: int) -> socket.socket:
        upstream = socket.create_connection(("127.0.0.1", port))
        self._opened.append(upstream)
        return upstream

    def _pump(self, source: socket.socket, sink: socket.socket | None) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if sink is None or source.getsockname()[1] == self.port:
                    self.received += data
                if sink is not None and not self.frozen.is_set():
                    sink.sendall(data)
            if sink is not None and not self.frozen.is_set():
                sink.shutdown(socket.SHUT_WR)

    def reset_all(self) -> None:
        """Ends each connection with a RST."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                connection.shutdown(socket.SHUT_RD)
                connection.close()

    def close(self) -> None:
        for one in (self._listener, *self.connections, *self._opened):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class Proxy(Relay):
    """A proxy: CONNECT, and requests whose target is a whole URL."""

    def __init__(self, refusal: bytes = b"") -> None:
        self.heads: list[bytes] = []
        self.refusal = refusal
        super().__init__(None)

    def upstream(self, client: socket.socket) -> socket.socket | None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                raise ConnectionError
            head += data
        self.heads.append(head)
        if self.refusal:
            client.sendall(self.refusal)
            raise ConnectionError
        method, url, _ = head.split(b" ", 2)
        connect = method == b"CONNECT"
        host, port = (url if connect else url.split(b"/")[2]).decode().rsplit(":", 1)
        # The name is this proxy's to find: all are on this machine.
        upstream = self.connect(int(port))
        assert host
        if connect:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            upstream.sendall(head)
        return upstream


Relays = Callable[..., Relay]


@pytest.fixture
def relays() -> Iterator[Relays]:
    with contextlib.ExitStack() as stack:

        def make(*args: object, **options: object) -> Relay:
            relay = Relay(*args, **options)  # type: ignore[arg-type]
            stack.callback(relay.close)
            return relay

        yield make


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with contextlib.closing(Proxy()) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def tls(authority: trustme.CA, *names: str, expired: bool = False) -> ssl.SSLContext:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, not_after=past if expired else None).configure_cert(context)
    return context


def calls(client: Client, extraction: str) -> list[Callable[[], object]]:
    return [client.credits, lambda: client.extractions.upload(extraction, PDF)]


def test_a_name_that_does_not_exist() -> None:
    with Client("key", base_url="https://extracta.invalid/api", max_retries=1) as client:
        for call in calls(client, "x"):
            began = time.monotonic()
            with pytest.raises(APIConnectionError, match=r"extracta\.invalid") as caught:
                call()
            assert caught.value.request_sent is False
            assert time.monotonic() - began < 12


@pytest.mark.parametrize("fault", ["unknown issuer", "other name", "expired"])
def test_a_certificate_that_does_not_hold(
    fault: str, authority: trustme.CA, bundle: Path, extracta_emulator: Emulator, relays: Relays
) -> None:
    name = "other.test" if fault == "other name" else "localhost"
    context = tls(authority, name, expired=fault == "expired")
    relay = relays(extracta_emulator.base_url, context)
    path = urlsplit(extracta_emulator.base_url).path
    trusted = None if fault == "unknown issuer" else str(bundle)
    url = f"https://localhost:{relay.port}{path}"
    with Client("secret-key", base_url=url, max_retries=0, ca_bundle=trusted) as client:
        for call in calls(client, "x"):
            with pytest.raises(APIConnectionError, match="certificate") as caught:
                call()
            assert caught.value.request_sent is False
            if fault == "unknown issuer":
                assert "ca_bundle" in str(caught.value)
    assert relay.received == b""
    assert extracta_emulator.requests() == []


def test_with_a_bundle_each_call_works(
    authority: trustme.CA,
    bundle: Path,
    extracta_emulator: Emulator,
    extraction_id: str,
    relays: Relays,
) -> None:
    relay = relays(extracta_emulator.base_url, tls(authority, "localhost"))
    url = f"https://localhost:{relay.port}{urlsplit(extracta_emulator.base_url).path}"
    with Client(extracta_emulator.api_key, base_url=url, ca_bundle=str(bundle)) as client:
        batch = client.extractions.upload(extraction_id, PDF)
        assert client.extractions.results(extraction_id, batch.batch_id).files
        assert client.credits() > 0


def test_a_bundle_that_is_no_pem(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_bytes(b"\x30\x82\x01")
    with pytest.raises((ExtractaError, ValueError), match="PEM"):
        Client("key", ca_bundle=str(wrong))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_with_a_password(
    scheme: str,
    authority: trustme.CA,
    bundle: Path,
    extracta_emulator: Emulator,
    relays: Relays,
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    context = tls(authority, "service.test") if scheme == "https" else None
    relay = relays(extracta_emulator.base_url, context)
    url = f"{scheme}://service.test:{relay.port}{urlsplit(extracta_emulator.base_url).path}"
    options = {"ca_bundle": str(bundle)} if context else {"allow_insecure_http": True}
    through = f"http://user:pass-word-1@127.0.0.1:{proxy.port}"
    with Client(extracta_emulator.api_key, base_url=url, proxy=through, **options) as client:  # type: ignore[arg-type]
        assert client.credits() > 0
        assert "pass-word-1" not in repr(client)
    assert proxy.heads[0].startswith(b"CONNECT " if context else b"GET http://service.test")
    assert b"proxy-authorization: basic" in proxy.heads[0].lower()
    assert (extracta_emulator.api_key.encode() in proxy.heads[0]) is (context is None)
    assert "pass-word-1" not in caplog.text


@pytest.mark.parametrize("down", [False, True])
def test_a_proxy_that_refuses_or_is_down(down: bool, proxy: Proxy) -> None:
    proxy.refusal = (
        b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n"
        b"connection: close\r\n\r\n"
    )
    through = f"http://user:pass-word-1@127.0.0.1:{proxy.port}"
    if down:
        proxy.close()
    with Client("key", base_url="https://service.test", proxy=through, max_retries=0) as client:
        for call in calls(client, "x"):
            with pytest.raises(APIConnectionError) as caught:
                call()
            assert caught.value.request_sent is False
            assert "pass-word-1" not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize("excepted", [False, True])
def test_a_proxy_of_the_environment(
    excepted: bool, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.refusal = b"HTTP/1.1 407 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("NO_PROXY", "service.invalid" if excepted else "")
    with (
        Client("key", base_url="https://service.invalid", max_retries=0) as client,
        pytest.raises(APIConnectionError),
    ):
        client.credits()
    assert bool(proxy.heads) is not excepted


def test_a_server_that_never_answers(relays: Relays) -> None:
    relay = relays(None)
    url = f"http://127.0.0.1:{relay.port}"
    with Client("key", base_url=url, timeout=0.3, max_retries=1) as client:
        began = time.monotonic()
        with pytest.raises(APITimeoutError):
            client.credits()
        assert time.monotonic() - began < 3
        assert relay.received.count(b"GET ") + relay.received.count(b"POST ") == 2
        with pytest.raises(UploadOutcomeUnknownError):
            client.extractions.upload("x", PDF)
    assert relay.received.count(b"uploadFiles") == 1


@pytest.mark.parametrize("death", ["reset", "silence"])
def test_a_pooled_connection_that_died(
    death: str, extracta_emulator: Emulator, extraction_id: str, relays: Relays
) -> None:
    relay = relays(extracta_emulator.base_url)
    url = f"http://127.0.0.1:{relay.port}{urlsplit(extracta_emulator.base_url).path}"
    with Client(extracta_emulator.api_key, base_url=url, timeout=0.5, max_retries=0) as client:
        client.credits()
        if death == "reset":
            relay.reset_all()
            # Whether this one still meets the dead connection is a matter of microseconds.
            with contextlib.suppress(APIConnectionError):
                client.credits()
        else:
            relay.frozen.set()
            with pytest.raises(UploadOutcomeUnknownError) as caught:
                client.extractions.upload(extraction_id, PDF)
            assert isinstance(caught.value.__cause__, APIError | APITimeoutError)
            relay.frozen.clear()
        assert client.extractions.upload(extraction_id, PDF).files
    assert len(relay.connections) == 2
    uploads = [r for r in extracta_emulator.requests() if r.endpoint == "uploadFiles"]
    assert len(uploads) == 1
