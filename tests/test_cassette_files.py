"""What stands in a cassette's file and what does not; damaged and foreign ones."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extracta_rs import (
    APIError,
    BadRequestError,
    ExtractaError,
)
from extracta_rs.testing import (
    CassetteError,
    CassetteMismatchError,
    Emulator,
    record,
    replay,
)
from extracta_rs.testing._scrub import Scrubber

if TYPE_CHECKING:
    from collections.abc import Callable

    from extracta_rs.testing import Scrub

from cassette_tools import KEY, connect, session_of_one


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
    tape_path: Path, real_service: Emulator, told: str, damage: Callable[[Any], object]
) -> None:
    with record(tape_path, base_url=real_service.base_url) as tape, connect(tape).client as client:  # type: ignore[union-attr]
        client.credits()
    data = json.loads(tape_path.read_text("utf-8"))
    damage(data)
    tape_path.write_text(json.dumps(data))
    with pytest.raises(CassetteError, match=told), replay(tape_path):
        pass


def test_a_truncated_or_foreign_file_is_refused(tape_path: Path, real_service: Emulator) -> None:
    with record(tape_path, base_url=real_service.base_url) as tape:
        session_of_one(connect(tape))
    whole = tape_path.read_bytes()
    for part in (b"", whole[:-3], whole[: len(whole) // 2], b"\xff\xfe", b"[]", b"null", b"<x/>",
                 b"[" * 100_000):  # fmt: skip
        tape_path.write_bytes(part)
        with pytest.raises(CassetteError, match="not a cassette"), replay(tape_path):
            pass
    tape_path.unlink()
    tape_path.mkdir()
    with pytest.raises(CassetteError, match="cannot be read"), replay(tape_path):
        pass
    assert issubclass(CassetteError, ExtractaError)
    error = pickle.loads(pickle.dumps(CassetteMismatchError("text")))
    assert traceback.format_exception_only(error) == [
        "extracta_rs.testing.CassetteMismatchError: text\n"
    ]


def test_a_file_is_written_whole_or_not_at_all(
    tape_path: Path, real_service: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with record(tape_path, base_url=real_service.base_url) as tape:
        session_of_one(connect(tape))
    before = tape_path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    full_disk = pytest.raises(CassetteError, match="No space left")
    with full_disk, record(tape_path, base_url=real_service.base_url) as tape:
        session_of_one(connect(tape))
    assert tape_path.read_bytes() == before
    assert [file.name for file in tape_path.parent.iterdir()] == [tape_path.name]
    no_folder = pytest.raises(CassetteError, match="cannot be written")
    with no_folder, record(tape_path / "below a file.json", base_url=real_service.base_url) as tape:
        session_of_one(connect(tape))


SIGNED = "https://user:pw@files.example/a.pdf?X-Amz-Signature=abc&Expires=1#page=2"


def test_secrets_are_not_kept(tape_path: Path) -> None:
    leaky = {
        "url": SIGNED, "key": f"your key {KEY} is good", "apiKey": "k-123", "web": "E_AI_K_hook-9",
        "said": f"see {SIGNED} and Bearer abc.def0123456789", "password": {"deep": "pw-1"},
        "total": "1",
    }  # fmt: skip
    with (
        Emulator(api_key=KEY, results={"a.pdf": leaky}) as emulator,
        record(tape_path, base_url=emulator.base_url) as tape,
    ):
        live = session_of_one(connect(tape))
        for encoding in ("utf-8", "latin-1"):
            page = f"<p>ü {KEY}: {SIGNED}</p>".encode(encoding)
            emulator.faults.add("credits", status=403, body=page)
            with tape.client(api_key=KEY) as client, pytest.raises(APIError):
                client.credits()
    assert live.files[0].result == leaky
    text = tape_path.read_text("utf-8")
    for secret in (
        KEY,
        "Signature",
        "Expires",
        "pw",
        "k-123",
        "hook-9",
        "abc.def0",
        "Authorization",
    ):
        assert secret not in text
    with replay(tape_path) as tape:
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
        ("E_AI_K_a+b/c=, Bearer a.b-c~d0123456789, Bearer of", "scrubbed, scrubbed, Bearer of"),
        ("what? https://x/#a", "what? https://x/#a"),
    ],
)
def test_secrets_in_text(text: str, kept: str) -> None:
    assert Scrubber(()).text(text) == kept
    assert Scrubber(()).bytes(text.encode() + b"\xff") == kept.encode() + b"\xff"


def test_what_the_user_names_is_not_kept(tape_path: Path) -> None:
    said = {"iban": "DE1", "supplier": [{"name": "Müller"}], "name": "kept", "items": [{"iban": 1}]}

    def without_names(body: Any) -> Any:
        for file in body.get("files", []):
            file.update({key: "x.pdf" for key in ("fileName", "name") if key in file})
        return body

    scrub: Scrub = ["iban", "supplier.name", without_names]
    with (
        Emulator(api_key=KEY, results={"Jane Doe.pdf": said}) as emulator,
        record(tape_path, base_url=emulator.base_url, scrub=scrub) as tape,
    ):
        assert session_of_one(connect(tape), name="Jane Doe.pdf").files[0].result == said
    text = tape_path.read_text("utf-8")
    assert not [word for word in ("DE1", "Müller", "Jane") if word in text]
    with replay(tape_path, scrub=scrub) as tape:
        [file] = session_of_one(connect(tape), name="Jane Doe.pdf")
    assert file.file_name == "x.pdf"
    assert file.result == {
        "iban": "scrubbed",
        "supplier": [{"name": "scrubbed"}],
        "name": "kept",
        "items": [{"iban": "scrubbed"}],
    }


def test_a_scrub_that_fails_is_heard_of(tape_path: Path, real_service: Emulator) -> None:
    def broken(body: Any) -> Any:
        raise LookupError("my mistake")

    def recorded(scrub: Scrub) -> None:
        with record(tape_path, base_url=real_service.base_url, scrub=scrub) as tape:
            session_of_one(connect(tape))

    with pytest.raises(LookupError, match="my mistake"):
        recorded(broken)
    with pytest.raises(TypeError, match="must return the body"):
        recorded(lambda body: None)
    with pytest.raises(TypeError, match="`form` and `files`"):
        recorded(lambda body: {1: body})
    with pytest.raises(CassetteError, match="not JSON"):
        recorded(lambda body: body if "form" in body else {1j})
    assert not tape_path.exists()
    recorded(())
    with (
        pytest.raises(LookupError, match="my mistake"),
        replay(tape_path, scrub=broken) as tape,
        pytest.raises(BadRequestError, match="scrub"),
    ):
        session_of_one(connect(tape))
    with pytest.raises(TypeError, match="a key or a callable"):
        replay(tape_path, scrub=[3])  # type: ignore[list-item]


def test_an_upload_is_kept_without_its_documents(tape_path: Path, real_service: Emulator) -> None:
    content = os.urandom(300_000)
    with record(tape_path, base_url=real_service.base_url) as tape:
        session_of_one(connect(tape), content)
    text = tape_path.read_text("utf-8")
    [upload] = [one["request"] for one in json.loads(text)["exchanges"] if "form" in one["request"]]
    digest = hashlib.sha256(content).hexdigest()
    assert upload["files"] == [{"name": "a.pdf", "size": 300_000, "sha256": digest}]
    assert list(upload["form"]) == ["extractionId"]
    assert len(text) < 10_000
