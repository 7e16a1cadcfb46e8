"""Recording over TLS and proxies, of failures, of clients that leave: what the wire brings."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
import socketserver
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from conftest import FIELDS, Face
from test_network import Proxy, Relay

from extracta_rs import (
    APIConnectionError,
    AuthenticationError,
    ConfigurationError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from extracta_rs.testing import (
    Emulator,
    record,
    replay,
)

if TYPE_CHECKING:
    from extracta_rs.testing import Cassette

from cassette_tools import KEY, connect, session_of_one


def test_a_service_behind_tls_and_a_proxy(
    tape_path: Path, real_service: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    bundle = tape_path.parent.parent / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("service.test").configure_cert(context)
    with (
        contextlib.closing(Relay(real_service.base_url, context)) as relay,
        contextlib.closing(Proxy()) as proxy,
    ):
        url = f"https://service.test:{relay.port}/api/v1"
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pass-word-1@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        with record(tape_path, base_url=url, ca_bundle=bundle) as tape:
            recorded = session_of_one(connect(tape, proxy=None))
        assert proxy.heads[0].startswith(b"CONNECT service.test")
        assert b"proxy-authorization: basic" in proxy.heads[0].lower()
        assert KEY.encode() not in b"".join(proxy.heads)
        with record(tape_path, base_url=url) as tape, pytest.raises(APIConnectionError):
            connect(tape, max_retries=0)("credits")
        assert "the certificate does not hold" in tape_path.read_text("utf-8")
        with record(tape_path, base_url=url, ca_bundle=bundle) as tape:
            assert session_of_one(connect(tape)).files[0].result == recorded.files[0].result
        monkeypatch.setenv("HTTPS_PROXY", "socks5://me:pass-word-1@127.0.0.1:1")
        with (
            pytest.raises(ConfigurationError, match="HTTPS_PROXY") as info,
            record(tape_path, base_url=url),
        ):
            pass
        assert "pass-word-1" not in str(info.value)
    monkeypatch.delenv("HTTPS_PROXY")
    with replay(tape_path) as tape:
        assert session_of_one(connect(tape)).files[0].status == "processed"
    no_bundle = pytest.raises(ConfigurationError, match="ca_bundle")
    with no_bundle, record(tape_path, base_url=url, ca_bundle=tape_path):
        pass


class Hasty(socketserver.StreamRequestHandler):
    """Answers once it knows the head, and is gone."""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        body = b'{"message":"no"}'
        head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.wfile.write(head + body)


def test_an_answer_that_comes_before_the_upload_was_read(tape_path: Path) -> None:
    caught = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hasty) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/api"
        for tape in (record(tape_path, base_url=url), replay(tape_path)):
            with tape, contextlib.closing(connect(tape).client) as client:
                upload = Face("blocking", client)
                with pytest.raises(AuthenticationError) as info:
                    upload("extractions.upload", "-e", ("a.pdf", b"%PDF" * 2_000_000))
                caught.append((str(info.value), info.value.body))
        server.shutdown()
    assert caught[0] == caught[1]
    [upload_kept] = json.loads(tape_path.read_text())["exchanges"]
    assert upload_kept["request"]["files"][0]["size"] == 8_000_000


def test_a_service_that_is_not_there_is_a_failure(tape_path: Path) -> None:
    emulator = Emulator()
    emulator.start()
    base_url = emulator.base_url
    emulator.stop()
    for tape in (record(tape_path, base_url=base_url), replay(tape_path)):
        with tape:
            face = connect(tape, max_retries=0)
            with pytest.raises(APIConnectionError):
                face("credits")
            face.client.close()
    assert "refused" in tape_path.read_text("utf-8")


def test_what_may_be_recorded_from(tape_path: Path) -> None:
    for wrong in ("http://example.com/api", "ftp://x", "https://u:p@x/", "https://x/?k=1",
                  "https://x:99999/"):  # fmt: skip
        with pytest.raises(ConfigurationError, match="base_url"), record(tape_path, base_url=wrong):
            pass


def test_failures_are_part_of_the_session(tape_path: Path, real_service: Emulator) -> None:
    def errors(tape: Cassette) -> list[tuple[str, str]]:
        face = connect(tape, max_retries=0)
        caught = []
        for error in (RateLimitError, ServerError, ResponseFormatError, ResponseFormatError,
                      APIConnectionError, APIConnectionError):  # fmt: skip
            with pytest.raises(error) as info:
                face("credits")
            caught.append((type(info.value).__name__, getattr(info.value, "message", "")))
            if isinstance(info.value, RateLimitError):
                assert info.value.retry_after == 7
        caught.append(("credits", str(face("credits"))))
        face.client.close()
        return caught

    faults = real_service.faults
    faults.add("credits", status=429, retry_after=7)
    faults.add("credits", status=500, body=b"<html>\xff")
    faults.add("credits", malformed=True)
    faults.add("credits", body='{"credits": 1e999}')
    faults.add("credits", cut="before")
    faults.add("credits", cut="mid")
    with record(tape_path, base_url=real_service.base_url) as tape:
        recorded = errors(tape)
    with replay(tape_path) as tape:
        assert errors(tape) == recorded
    kept = [one.get("failure") for one in json.loads(tape_path.read_text())["exchanges"]]
    assert [bool(failure) for failure in kept] == [False] * 4 + [True] * 2 + [False]


def test_an_upload_of_unknown_length_is_passed_on_whole(
    tape_path: Path, real_service: Emulator
) -> None:
    content = os.urandom(500_000)

    def piped(tape: Cassette) -> Any:
        reading, writing = os.pipe()
        with os.fdopen(writing, "wb") as sink, os.fdopen(reading, "rb") as source:

            def write() -> None:
                with sink:
                    sink.write(content)

            writer = threading.Thread(target=write)
            writer.start()
            try:
                return session_of_one(connect(tape), source)  # type: ignore[arg-type]
            finally:
                writer.join()

    with record(tape_path, base_url=real_service.base_url) as tape:
        recorded = piped(tape)
    [part] = [part for r in real_service.requests() for part in r.parts if part.file_name]
    assert part.sha256 == hashlib.sha256(content).hexdigest()
    with replay(tape_path) as tape:
        assert piped(tape) == recorded


class Stalled(io.RawIOBase):
    """A source that begins and then stands still until it is told to end."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self._begun = False

    def read(self, size: int = -1) -> bytes:
        if self._begun:
            assert self.goes_on.wait(30)
            return b""
        self._begun = True
        return b"%PDF" * 10_000


def test_a_client_that_leaves_does_not_spoil_a_recording(tape_path: Path) -> None:
    source = Stalled()

    async def leave(emulator: Emulator, tape: Cassette) -> None:
        async with tape.async_client(api_key=KEY) as client:
            emulator.faults.add("credits", delay=0.3)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await client.credits()
            file: Any = ("a.pdf", source)
            task = asyncio.create_task(client.extractions.upload("-e", file))
            while not [r for r in emulator.requests() if r.path == "/uploadFiles"]:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            source.goes_on.set()
            await client.classifications.create("Kinds", document_types=[{"name": "cv"}])

    with Emulator(api_key=KEY) as emulator, record(tape_path, base_url=emulator.base_url) as tape:
        asyncio.run(leave(emulator, tape))
        while not [r for r in emulator.requests() if r.status and r.path == "/credits"]:
            threading.Event().wait(0.01)
    kept = json.loads(tape_path.read_text("utf-8"))["exchanges"]
    paths = [one["request"]["path"] for one in kept]
    assert paths[-1] == "/documentClassification/createClassification"
    assert "/uploadFiles" not in paths


def test_the_end_of_a_recording_does_not_wait_for_what_is_under_way(tape_path: Path) -> None:
    with Emulator(api_key=KEY) as emulator:
        emulator.faults.add("credits", delay=30)
        caught: list[Exception] = []
        with record(tape_path, base_url=emulator.base_url) as tape:
            client = tape.client(api_key=KEY, max_retries=0)

            def ask() -> None:
                try:
                    client.credits()
                except APIConnectionError as error:
                    caught.append(error)

            client.extractions.create("Invoices", fields=FIELDS)
            asking = threading.Thread(target=ask)
            asking.start()
            while not [r for r in emulator.requests() if r.path == "/credits"]:
                asking.join(0.01)
        asking.join(10)
        assert not asking.is_alive()
        client.close()
    assert len(caught) == 1
    kept = json.loads(tape_path.read_text("utf-8"))["exchanges"]
    assert [one["request"]["path"] for one in kept] == ["/createExtraction"]
