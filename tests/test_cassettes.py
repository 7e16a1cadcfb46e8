"""Cassettes: what is recorded of a session, what is not, and that a replay is the session again."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import FIELDS, Face

from extracta_rs import (
    APIConnectionError,
    APIError,
    AsyncClient,
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
        emulator.faults.add("credits", status=403, body=f"<p>{KEY}: {SIGNED}</p>")
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
