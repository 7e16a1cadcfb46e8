"""Cassettes: what is recorded of a session, what is not, and that a replay is the session again."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import socketserver
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from conftest import FIELDS, Face
from test_network import Proxy, Relay

from extracta_rs import (
    APIConnectionError,
    APIError,
    AsyncClient,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ExtractaError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    WaitTimeoutError,
)
from extracta_rs.testing import (
    CassetteError,
    CassetteMismatchError,
    Emulator,
    cassette,
    record,
    replay,
)
from extracta_rs.testing._player import Player
from extracta_rs.testing._scrub import Scrubber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from extracta_rs.testing import Cassette, Scrub

QUICK: dict[str, Any] = {"poll_interval": 0.01}
KEY = "sk-live-0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cassettes" / "session.json"


@pytest.fixture
def service() -> Iterator[Emulator]:
    with Emulator(api_key=KEY, polls_until_finished=2) as emulator:
        yield emulator


def connect(tape: Cassette, kind: str = "blocking", **settings: Any) -> Face:
    """Build a client of either kind."""
    if tape.mode == "record":
        settings = {"api_key": KEY, "min_poll_spacing": 0, **settings}
    build = tape.client if kind == "blocking" else tape.async_client
    return Face(kind, build(**settings))


def session(face: Face) -> list[Any]:
    """Do all that a client does."""
    try:
        created = face("extractions.create", "Invoices", fields=FIELDS)
        files = [('Rechnung "ü".pdf', b"%PDF 1"), ("b;filename*=x.pdf", b"")]
        results = face("extractions.run", created.extraction_id, files, **QUICK)
        viewed = face("extractions.view", created.extraction_id)
        changed = face("extractions.update", created.extraction_id, name="Bills")
        face("extractions.delete_batch", created.extraction_id, results.batch_id)
        face("extractions.delete", created.extraction_id)
        types = [{"name": "invoice", "uniqueWords": ["total"]}]
        kinds = face("classifications.create", "Kinds", document_types=types)
        classified = face("classifications.run", kinds.classification_id, files[0], **QUICK)
        return [created, results, viewed, changed, kinds, classified, face("credits")]
    finally:
        face.client.close()


@pytest.mark.parametrize("kinds", [("blocking", "asyncio"), ("asyncio", "blocking")])
def test_a_replay_is_the_session_again(
    path: Path, service: Emulator, kinds: tuple[str, str]
) -> None:
    with record(path, base_url=service.base_url) as tape:
        assert tape.mode == "record"
        recorded = session(connect(tape, kinds[0]))
    asked = [(request.method, request.path) for request in service.requests()]
    service.stop()
    with replay(path) as tape:
        replayed = session(connect(tape, kinds[1]))
    assert replayed == recorded
    kept = json.loads(path.read_text("utf-8"))["exchanges"]
    assert [(one["request"]["method"], one["request"]["path"]) for one in kept] == asked
    polls = [one for one in kept if one["request"]["path"] == "/getBatchResults"]
    assert [one["answer"]["json"].get("status") for one in polls] == ["waiting", "waiting", None]


def test_an_upload_is_kept_without_its_documents(path: Path, service: Emulator) -> None:
    content = os.urandom(300_000)
    with record(path, base_url=service.base_url) as tape:
        session_of_one(connect(tape), content)
    text = path.read_text("utf-8")
    [upload] = [one["request"] for one in json.loads(text)["exchanges"] if "form" in one["request"]]
    digest = hashlib.sha256(content).hexdigest()
    assert upload["files"] == [{"name": "a.pdf", "size": 300_000, "sha256": digest}]
    assert list(upload["form"]) == ["extractionId"]
    assert len(text) < 10_000


def session_of_one(
    face: Face, content: bytes = b"%PDF", name: str = "a.pdf", **options: Any
) -> Any:
    created = face("extractions.create", "Invoices", fields=FIELDS)
    results = face("extractions.run", created.extraction_id, (name, content), **QUICK, **options)
    face.client.close()
    return results


def test_an_upload_of_unknown_length_is_passed_on_whole(path: Path, service: Emulator) -> None:
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

    with record(path, base_url=service.base_url) as tape:
        recorded = piped(tape)
    [part] = [part for r in service.requests() for part in r.parts if part.file_name]
    assert part.sha256 == hashlib.sha256(content).hexdigest()
    with replay(path) as tape:
        assert piped(tape) == recorded


SIGNED = "https://user:pw@files.example/a.pdf?X-Amz-Signature=abc&Expires=1#page=2"


def test_secrets_are_not_kept(path: Path) -> None:
    leaky = {
        "url": SIGNED, "key": f"your key {KEY} is good", "apiKey": "k-123", "web": "E_AI_K_hook-9",
        "said": f"see {SIGNED} and Bearer abc.def", "password": {"deep": "pw-1"}, "total": "1",
    }  # fmt: skip
    with (
        Emulator(api_key=KEY, results={"a.pdf": leaky}) as emulator,
        record(path, base_url=emulator.base_url) as tape,
    ):
        live = session_of_one(connect(tape))
        for encoding in ("utf-8", "latin-1"):
            page = f"<p>ü {KEY}: {SIGNED}</p>".encode(encoding)
            emulator.faults.add("credits", status=403, body=page)
            with tape.client(api_key=KEY) as client, pytest.raises(APIError):
                client.credits()
    assert live.files[0].result == leaky
    text = path.read_text("utf-8")
    for secret in (
        KEY,
        "Signature",
        "Expires",
        "pw",
        "k-123",
        "hook-9",
        "abc.def",
        "Authorization",
    ):
        assert secret not in text
    with replay(path) as tape:
        result = session_of_one(connect(tape)).files[0].result
    assert result["url"] == "https://files.example/a.pdf?scrubbed"
    assert (result["total"], result["password"]) == ("1", "scrubbed")
    assert result["key"] == "your key scrubbed is good"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://x/a?s=1 b", "https://x/a?scrubbed b"),
        (r'{"u":"https:\/\/x\/a?s=1\u0026t=2\/3","n', r'{"u":"https:\/\/x\/a?scrubbed","n'),
        (r'{"u":"https://x/a\n?s', r'{"u":"https://x/a\n?s'),
        ("<a href='http://me:pw@x/?s'>x</a>", "<a href='http://x/?scrubbed'>x</a>"),
        ("E_AI_K_a+b/c=, Bearer a.b-c~d!", "scrubbed, scrubbed!"),
        ("what? https://x/#a", "what? https://x/#a"),
    ],
)
def test_secrets_in_text(text: str, kept: str) -> None:
    assert Scrubber(()).text(text) == kept
    assert Scrubber(()).bytes(text.encode() + b"\xff") == kept.encode() + b"\xff"


def test_what_the_user_names_is_not_kept(path: Path) -> None:
    said = {"iban": "DE1", "supplier": [{"name": "Müller"}], "name": "kept", "items": [{"iban": 1}]}

    def without_names(body: Any) -> Any:
        for file in body.get("files", []):
            file.update({key: "x.pdf" for key in ("fileName", "name") if key in file})
        return body

    scrub: Scrub = ["iban", "supplier.name", without_names]
    with (
        Emulator(api_key=KEY, results={"Jane Doe.pdf": said}) as emulator,
        record(path, base_url=emulator.base_url, scrub=scrub) as tape,
    ):
        assert session_of_one(connect(tape), name="Jane Doe.pdf").files[0].result == said
    text = path.read_text("utf-8")
    assert not [word for word in ("DE1", "Müller", "Jane") if word in text]
    with replay(path, scrub=scrub) as tape:
        [file] = session_of_one(connect(tape), name="Jane Doe.pdf")
    assert file.file_name == "x.pdf"
    assert file.result == {
        "iban": "scrubbed",
        "supplier": [{"name": "scrubbed"}],
        "name": "kept",
        "items": [{"iban": "scrubbed"}],
    }


def test_a_scrub_that_fails_is_heard_of(path: Path, service: Emulator) -> None:
    def broken(body: Any) -> Any:
        raise LookupError("my mistake")

    def recorded(scrub: Scrub) -> None:
        with record(path, base_url=service.base_url, scrub=scrub) as tape:
            session_of_one(connect(tape))

    with pytest.raises(LookupError, match="my mistake"):
        recorded(broken)
    with pytest.raises(TypeError, match="must return the body"):
        recorded(lambda body: None)
    with pytest.raises(TypeError, match="`form` and `files`"):
        recorded(lambda body: {1: body})
    with pytest.raises(CassetteError, match="not JSON"):
        recorded(lambda body: body if "form" in body else {1j})
    assert not path.exists()
    recorded(())
    with (
        pytest.raises(LookupError, match="my mistake"),
        replay(path, scrub=broken) as tape,
        pytest.raises(BadRequestError, match="scrub"),
    ):
        session_of_one(connect(tape))
    with pytest.raises(TypeError, match="a key or a callable"):
        replay(path, scrub=[3])  # type: ignore[list-item]


def test_a_service_behind_tls_and_a_proxy(
    path: Path, service: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    bundle = path.parent.parent / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("service.test").configure_cert(context)
    with (
        contextlib.closing(Relay(service.base_url, context)) as relay,
        contextlib.closing(Proxy()) as proxy,
    ):
        url = f"https://service.test:{relay.port}/api/v1"
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pass-word-1@127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        with record(path, base_url=url, ca_bundle=bundle) as tape:
            recorded = session_of_one(connect(tape, proxy=None))
        assert proxy.heads[0].startswith(b"CONNECT service.test")
        assert b"proxy-authorization: basic" in proxy.heads[0].lower()
        assert KEY.encode() not in b"".join(proxy.heads)
        with record(path, base_url=url) as tape, pytest.raises(APIConnectionError):
            connect(tape, max_retries=0)("credits")
        assert "the certificate does not hold" in path.read_text("utf-8")
        with record(path, base_url=url, ca_bundle=bundle) as tape:
            assert session_of_one(connect(tape)).files[0].result == recorded.files[0].result
        monkeypatch.setenv("HTTPS_PROXY", "socks5://me:pass-word-1@127.0.0.1:1")
        with (
            pytest.raises(ConfigurationError, match="HTTPS_PROXY") as info,
            record(path, base_url=url),
        ):
            pass
        assert "pass-word-1" not in str(info.value)
    monkeypatch.delenv("HTTPS_PROXY")
    with replay(path) as tape:
        assert session_of_one(connect(tape)).files[0].status == "processed"
    no_bundle = pytest.raises(ConfigurationError, match="ca_bundle")
    with no_bundle, record(path, base_url=url, ca_bundle=path):
        pass


class Hasty(socketserver.StreamRequestHandler):
    """Answers once it knows the head, and is gone."""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        body = b'{"message":"no"}'
        head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.wfile.write(head + body)


def test_an_answer_that_comes_before_the_upload_was_read(path: Path) -> None:
    caught = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Hasty) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/api"
        for tape in (record(path, base_url=url), replay(path)):
            with tape, contextlib.closing(connect(tape).client) as client:
                upload = Face("blocking", client)
                with pytest.raises(AuthenticationError) as info:
                    upload("extractions.upload", "-e", ("a.pdf", b"%PDF" * 2_000_000))
                caught.append((str(info.value), info.value.body))
        server.shutdown()
    assert caught[0] == caught[1]
    [upload_kept] = json.loads(path.read_text())["exchanges"]
    assert upload_kept["request"]["files"][0]["size"] == 8_000_000


def test_failures_are_part_of_the_session(path: Path, service: Emulator) -> None:
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

    faults = service.faults
    faults.add("credits", status=429, retry_after=7)
    faults.add("credits", status=500, body=b"<html>\xff")
    faults.add("credits", malformed=True)
    faults.add("credits", body='{"credits": 1e999}')
    faults.add("credits", cut="before")
    faults.add("credits", cut="mid")
    with record(path, base_url=service.base_url) as tape:
        recorded = errors(tape)
    with replay(path) as tape:
        assert errors(tape) == recorded
    kept = [one.get("failure") for one in json.loads(path.read_text())["exchanges"]]
    assert [bool(failure) for failure in kept] == [False] * 4 + [True] * 2 + [False]


def test_a_service_that_is_not_there_is_a_failure(path: Path) -> None:
    emulator = Emulator()
    emulator.start()
    base_url = emulator.base_url
    emulator.stop()
    for tape in (record(path, base_url=base_url), replay(path)):
        with tape:
            face = connect(tape, max_retries=0)
            with pytest.raises(APIConnectionError):
                face("credits")
            face.client.close()
    assert "refused" in path.read_text("utf-8")


def test_a_request_that_was_not_recorded(path: Path, service: Emulator) -> None:
    with record(path, base_url=service.base_url) as tape:
        results = session_of_one(connect(tape))
    with (
        pytest.raises(CassetteMismatchError) as info,
        replay(path) as tape,
        tape.client() as client,
    ):
        with pytest.raises(BadRequestError, match="the nearest is"):
            client.extractions.view("-nobody")
        with pytest.raises(BadRequestError) as refused:
            client.extractions.wait("-other", results.batch_id, timeout=20)
        with pytest.raises(BadRequestError, match="files"):
            client.extractions.upload(results.extraction_id or "", ("a.pdf", b"%PDX"))
        assert len(tape.unexpected) == 3
    assert f'json.extractionId is "{results.extraction_id}", not "-other"' in str(refused.value)
    for part in ("POST /viewExtraction", "-other", "files[0].sha256", str(path)):
        assert part in str(info.value)


def test_the_error_of_the_test_stays_the_one_that_is_seen(path: Path, service: Emulator) -> None:
    with pytest.raises(ZeroDivisionError) as info, record(path, base_url=service.base_url) as tape:
        session_of_one(connect(tape))
        raise ZeroDivisionError
    assert "nothing was recorded" in "".join(info.value.__notes__)
    assert not path.exists()
    with record(path, base_url=service.base_url) as tape:
        session_of_one(connect(tape))
    with pytest.raises(BadRequestError) as refused, replay(path) as tape, tape.client() as client:
        client.extractions.view("-nobody")
    assert "does not have what was asked for" in "".join(refused.value.__notes__)


def test_the_last_answer_repeats_and_waits_may_be_cut_short(path: Path, service: Emulator) -> None:
    with record(path, base_url=service.base_url) as tape:
        recorded = session_of_one(connect(tape))
    batch = (recorded.extraction_id, recorded.batch_id)
    with replay(path) as tape, tape.client() as client:
        answers = [client.extractions.results(*batch) for _ in range(5)]
        assert [results.finished for results in answers] == [False, False, True, True, True]
    with replay(path, polls="last") as tape, tape.client() as client:
        assert client.extractions.results(*batch) == recorded
    with pytest.raises(ValueError, match="all or last"):
        replay(path, polls="first")  # type: ignore[arg-type]


def test_a_wait_that_timed_out_times_out_again(path: Path) -> None:
    with Emulator(api_key=KEY, processing_time=60) as emulator:
        for tape in (record(path, base_url=emulator.base_url), replay(path)):
            with tape:
                face = connect(tape)
                with pytest.raises(WaitTimeoutError):
                    session_of_one(face, timeout=0.3)
                face.client.close()


def test_waits_that_run_together_only_in_the_replay(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There the client looks at the extraction, which it did not while it was recorded.
    with Emulator(api_key=KEY) as emulator, record(path, base_url=emulator.base_url) as tape:
        face = connect(tape)
        created = face("extractions.create", "Invoices", fields=FIELDS).extraction_id
        runs = [face("extractions.run", created, (f"{n}.pdf", b"%PDF")) for n in range(5)]
        face.client.close()
        assert not [r for r in emulator.requests() if r.path == "/viewExtraction"]
    data = json.loads(path.read_text("utf-8"))
    for exchange in [*data["exchanges"]]:
        if exchange["request"]["path"] == "/getBatchResults":
            waiting = {**exchange, "answer": {"status": 200, "json": {"status": "waiting"}}}
            data["exchanges"].insert(0, waiting)
    path.write_text(json.dumps(data))
    views: list[Any] = []
    is_hint = Player._is_hint

    def heard(player: Player, request: dict[str, Any]) -> bool:
        views.append(request)
        return is_hint(player, request)

    monkeypatch.setattr(Player, "_is_hint", heard)
    with replay(path) as tape, tape.client() as client:
        batches = [results.batch for results in runs]
        found = list(client.extractions.wait_many(batches, **QUICK))
        assert views
        assert tape.unexpected == []
        assert sorted(one.batch_id for one in found) == sorted(one.batch_id for one in runs)
        with pytest.raises(BadRequestError, match="is not recorded"):
            client.extractions.view(created)


def test_modes(path: Path, service: Emulator) -> None:
    modes = []
    for _ in range(2):
        with cassette(path, base_url=service.base_url) as tape:
            modes.append(tape.mode)
            session_of_one(connect(tape))
    assert modes == ["record", "replay"]
    before = len(service.requests())
    with cassette(path, mode="record", base_url=service.base_url) as tape:
        session_of_one(connect(tape))
    assert len(service.requests()) > before
    path.unlink()
    with pytest.raises(CassetteError, match="record it first"), cassette(path, mode="replay"):
        pass
    with pytest.raises(ValueError, match="once, record or replay"):
        cassette(path, mode="none")  # type: ignore[arg-type]


def test_a_recording_without_traffic_is_a_mistake(path: Path, service: Emulator) -> None:
    with pytest.raises(CassetteError, match="base_url"), record(path, base_url=service.base_url):
        pass
    assert not path.exists()
    with pytest.raises(RuntimeError, match="with"):
        _ = replay(path).base_url


def test_what_may_be_recorded_from(path: Path) -> None:
    for wrong in ("http://example.com/api", "ftp://x", "https://u:p@x/", "https://x/?k=1",
                  "https://x:99999/"):  # fmt: skip
        with pytest.raises(ConfigurationError, match="base_url"), record(path, base_url=wrong):
            pass


def answered(data: Any, **body: object) -> None:
    data["exchanges"][0]["answer"] = {"status": 200, **body}


DAMAGE: list[tuple[str, Callable[[Any], object]]] = [
    ("format", lambda data: data.update(format="vcr")),
    ("format", lambda data: data.clear()),
    ("later extracta_rs", lambda data: data.update(version=2)),
    ("version True", lambda data: data.update(version=True)),
    ('"exchanges" is not a list', lambda data: data.update(exchanges={})),
    (r"exchanges\[0\]: .*: not an object", lambda data: data["exchanges"].insert(0, 3)),
    ('"request" is not an object', lambda data: data["exchanges"][0].pop("request")),
    ('"request.path"', lambda data: data["exchanges"][0]["request"].update(path=1)),
    ('either "answer" or "failure"', lambda data: data["exchanges"][0].pop("answer")),
    ('"answer.status"', lambda data: data["exchanges"][0]["answer"].update(status=99)),
    ('"answer.status"', lambda data: data["exchanges"][0]["answer"].update(status="200")),
    ("header 'x'", lambda data: data["exchanges"][0]["answer"].update(headers={"x": "1\r\ny: 2"})),
    ("header 'x:'", lambda data: data["exchanges"][0]["answer"].update(headers={"x:": "1"})),
    ('"answer.headers"', lambda data: data["exchanges"][0]["answer"].update(headers=[])),
    ("more than one body", lambda data: data["exchanges"][0]["answer"].update(text="x")),
    ("a body that", lambda data: answered(data, base64="abc")),
    ('"answer.text"', lambda data: answered(data, text=1)),
]  # fmt: skip


@pytest.mark.parametrize(("told", "damage"), DAMAGE, ids=[told for told, _ in DAMAGE])
def test_a_damaged_cassette_is_refused(
    path: Path, service: Emulator, told: str, damage: Callable[[Any], object]
) -> None:
    with record(path, base_url=service.base_url) as tape, connect(tape).client as client:  # type: ignore[union-attr]
        client.credits()
    data = json.loads(path.read_text("utf-8"))
    damage(data)
    path.write_text(json.dumps(data))
    with pytest.raises(CassetteError, match=told), replay(path):
        pass


def test_a_truncated_or_foreign_file_is_refused(path: Path, service: Emulator) -> None:
    with record(path, base_url=service.base_url) as tape:
        session_of_one(connect(tape))
    whole = path.read_bytes()
    for part in (b"", whole[:-3], whole[: len(whole) // 2], b"\xff\xfe", b"[]", b"null", b"<x/>",
                 b"[" * 100_000):  # fmt: skip
        path.write_bytes(part)
        with pytest.raises(CassetteError, match="not a cassette"), replay(path):
            pass
    path.unlink()
    path.mkdir()
    with pytest.raises(CassetteError, match="cannot be read"), replay(path):
        pass
    assert issubclass(CassetteError, ExtractaError)


def test_a_file_is_written_whole_or_not_at_all(
    path: Path, service: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with record(path, base_url=service.base_url) as tape:
        session_of_one(connect(tape))
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    full_disk = pytest.raises(CassetteError, match="No space left")
    with full_disk, record(path, base_url=service.base_url) as tape:
        session_of_one(connect(tape))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    no_folder = pytest.raises(CassetteError, match="cannot be written")
    with no_folder, record(path / "below a file.json", base_url=service.base_url) as tape:
        session_of_one(connect(tape))


def test_many_at_once(path: Path) -> None:
    async def upload_all(client: AsyncClient) -> list[str | None]:
        async with client:
            created = await client.extractions.create("Many", fields=FIELDS)
            files = [(f"{number}.pdf", b"%%PDF %d" % number) for number in range(60)]
            runs = [client.extractions.run(created.extraction_id, file, **QUICK) for file in files]
            return [results.files[0].file_name for results in await asyncio.gather(*runs)]

    names = [f"{number}.pdf" for number in range(60)]
    with Emulator(api_key=KEY) as emulator, record(path, base_url=emulator.base_url) as tape:
        client = tape.async_client(api_key=KEY, min_poll_spacing=0)
        assert asyncio.run(upload_all(client)) == names
    with replay(path) as tape:
        assert asyncio.run(upload_all(tape.async_client())) == names


def test_another_process_may_be_led_through_a_cassette(path: Path, service: Emulator) -> None:
    program = "import extracta_rs; print(extracta_rs.Client().credits())"
    said = []
    for tape in (record(path, base_url=service.base_url), replay(path)):
        with tape:
            env = {**os.environ, "EXTRACTA_BASE_URL": tape.base_url}
            env["EXTRACTA_API_KEY"] = tape.api_key or KEY
            done = subprocess.run(
                [sys.executable, "-c", program], env=env, capture_output=True, check=True
            )
            said.append(done.stdout)
    assert said[0] == said[1] != b""
    assert len(service.requests()) == 1


def test_the_end_of_a_recording_does_not_wait_for_what_is_under_way(path: Path) -> None:
    with Emulator(api_key=KEY) as emulator:
        emulator.faults.add("credits", delay=30)
        caught: list[Exception] = []
        with record(path, base_url=emulator.base_url) as tape:
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
    kept = json.loads(path.read_text("utf-8"))["exchanges"]
    assert [one["request"]["path"] for one in kept] == ["/createExtraction"]
