"""Uploads: every form of a file, its name and content as they arrive, and what is refused."""

from __future__ import annotations

import email
import email.policy
import hashlib
import io
import os
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flask
import pytest
from werkzeug.serving import make_server

from extracta_rs import Client, NotFoundError, UploadFile
from extracta_rs.testing import Emulator, Part

CONTENT = bytes(range(256)) * 2000  # More than one chunk.
NAMES = [
    "plain.pdf",
    'a "quoted" name.pdf',
    "new\nline.pdf",
    "carriage\r\nreturn.pdf",
    "back\\slash.pdf",
    'back\\"slash.pdf',
    "ends with a back\\",
    "100%.pdf",
    "%22.pdf",
    "%0A%.pdf",
    "naïve.pdf",
    "請求書.pdf",
    "🧾 receipt.pdf",
    " spaces ",
    "a;b=c; filename=d.pdf",
    "it's.pdf",
    "tab\tand\x00controls\x1b\x7f.pdf",
    "line\u2028separator",
    "not/../a/path.pdf",
    "x" * 300 + ".pdf",
]


class Stream:
    """A source that cannot be rewound, like a socket or a pipe."""

    name = "stream.pdf"

    def __init__(self, content: bytes = CONTENT) -> None:
        self._content = io.BytesIO(content)
        self.threads: set[int] = set()

    def read(self, size: int = -1) -> bytes:
        self.threads.add(threading.get_ident())
        return self._content.read(size)


@dataclass
class Received:
    """An upload as Flask and the standard library's email parser read it."""

    form: dict[str, str]
    files: list[tuple[str | None, str | None, bytes]]
    message: email.message.EmailMessage


@dataclass
class Receiver:
    url: str
    uploads: list[Received] = field(default_factory=list)


@pytest.fixture(scope="module")
def flask_server() -> Iterator[Receiver]:
    app = flask.Flask(__name__)
    receiver = Receiver("")

    @app.post("/uploadFiles")
    def upload() -> dict[str, str]:
        body = flask.request.get_data(cache=True)
        head = f"Content-Type: {flask.request.headers['content-type']}\r\n\r\n".encode()
        files = flask.request.files.getlist("files")
        receiver.uploads.append(
            Received(
                form=flask.request.form.to_dict(),
                files=[(file.filename, file.content_type, file.read()) for file in files],
                message=email.message_from_bytes(head + body, policy=email.policy.HTTP),
            )
        )
        return {"batchId": "-OAbatch"}

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def parts(face: Any, extraction_id: str, extracta_emulator: Emulator) -> Callable[..., list[Part]]:
    """Upload; return the parts with files as the emulator received them."""

    def parts(files: Any, **options: Any) -> list[Part]:
        batch = face("extractions.upload", extraction_id, files, **options)
        request = extracta_emulator.requests()[-1]
        assert (request.endpoint, request.status) == ("uploadFiles", 200)
        assert [file.file_id for file in batch.files] == request.file_ids
        found = [part for part in request.parts if part.name == "files"]
        assert [file.file_name for file in batch.files] == [part.file_name for part in found]
        return found

    return parts


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def from_position(content: bytes, position: int) -> io.BytesIO:
    file = io.BytesIO(content)
    file.seek(position)
    return file


FORMS: dict[str, Callable[[Path], Any]] = {
    "str": str,
    "Path": lambda path: path,
    "bytes": lambda path: ("form.pdf", CONTENT),
    "bytearray": lambda path: ("form.pdf", bytearray(CONTENT)),
    "memoryview": lambda path: ("form.pdf", memoryview(CONTENT)),
    "strided": lambda path: ("form.pdf", memoryview(CONTENT[::-1])[::-1]),
    "BytesIO": lambda path: ("form.pdf", io.BytesIO(CONTENT)),
    "position": lambda path: ("form.pdf", from_position(b"before" + CONTENT, 6)),
    "stream": lambda path: ("form.pdf", Stream()),
    "UploadFile bytes": lambda path: UploadFile("form.pdf", CONTENT),
    "UploadFile path": lambda path: UploadFile("form.pdf", path),
    "UploadFile str": lambda path: UploadFile("form.pdf", str(path)),
    "UploadFile stream": lambda path: UploadFile("form.pdf", Stream()),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_file(form: str, parts: Any, tmp_path: Path) -> None:
    path = tmp_path / "form.pdf"
    path.write_bytes(CONTENT)
    (part,) = parts(FORMS[form](path))
    assert (part.file_name, part.content_type) == ("form.pdf", "application/pdf")
    assert (part.size, part.sha256) == (len(CONTENT), sha256(CONTENT))


def test_an_open_file_is_read_from_where_it_stands(parts: Any, tmp_path: Path) -> None:
    path = tmp_path / "open.pdf"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        file.seek(1000)
        (part,) = parts(file)
        assert not file.closed
    assert (part.file_name, part.sha256) == ("open.pdf", sha256(CONTENT[1000:]))


@pytest.mark.parametrize("seekable", [True, False])
def test_a_source_of_unknown_size_is_sent_in_chunks(
    seekable: bool, parts: Any, extracta_emulator: Emulator
) -> None:
    stream = Stream()
    parts(("a", io.BytesIO(CONTENT)) if seekable else stream)
    request = extracta_emulator.requests()[-1]
    assert (request.header("content-length") is None) == (not seekable)
    assert request.header("transfer-encoding") == (None if seekable else "chunked")
    assert threading.get_ident() not in stream.threads


def test_several_files_of_all_forms(parts: Any, tmp_path: Path) -> None:
    path = tmp_path / "form.pdf"
    path.write_bytes(CONTENT)
    forms = list(FORMS.values())
    for files in (
        [form(path) for form in forms],
        tuple(form(path) for form in forms),
        (form(path) for form in forms),
        dict.fromkeys([str(path), path]),
    ):
        found = parts(files)
        assert len(found) in {len(forms), 2}
        assert {(part.file_name, part.sha256) for part in found} == {("form.pdf", sha256(CONTENT))}


def test_what_a_generator_of_files_raises_arrives(
    face: Any, extraction_id: str, extracta_emulator: Emulator
) -> None:
    def files() -> Iterator[tuple[str, bytes]]:
        yield ("a.pdf", b"a")
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        face("extractions.upload", extraction_id, files())
    assert len(extracta_emulator.requests()) == 1


@pytest.mark.parametrize("content", [b"", b"\r\n", b"--", b"\r\n--extracta-rs-", CONTENT])
def test_contents_arrive_unchanged(content: bytes, parts: Any) -> None:
    found = parts([("a", content), ("b", io.BytesIO(content)), ("c", Stream(content))])
    assert [(part.size, part.sha256) for part in found] == [(len(content), sha256(content))] * 3


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.pdf", "application/pdf"),
        ("A.PDF", "application/pdf"),
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.tiff", "image/tiff"),
        ("a.txt", "text/plain"),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
    ],
)
def test_the_content_type_comes_from_the_name(name: str, content_type: str, parts: Any) -> None:
    own = UploadFile(name, b"x", content_type="application/x-own; charset=utf-8")
    found = parts([(name, b"x"), own])
    assert [part.content_type for part in found] == [content_type, own.content_type]


@pytest.mark.parametrize("name", NAMES)
def test_names_arrive_intact(name: str, parts: Any) -> None:
    (part,) = parts((name, b"x"))
    assert part.file_name == name
    assert "\r" not in part.content_disposition
    assert "\n" not in part.content_disposition


def test_names_arrive_intact_at_a_flask_app(connect: Any, flask_server: Receiver) -> None:
    flask_server.uploads.clear()
    files = [(name, name.encode() + CONTENT) for name in NAMES]
    face = connect(base_url=flask_server.url)
    batch = face("extractions.upload", "-OAextraction", files, batch_id="-OAbatch")
    (received,) = flask_server.uploads
    assert batch.batch_id == "-OAbatch"
    assert received.form == {"extractionId": "-OAextraction", "batchId": "-OAbatch"}
    assert [(name, content) for name, _, content in received.files] == files
    # The standard library knows the structure; it reads the names' ASCII forms only.
    messages = list(received.message.iter_parts())
    assert [part.get_payload(decode=True) for part in messages[2:]] == [body for _, body in files]
    for (name, _), part in zip(files, messages[2:], strict=True):
        disposition = dict(part.raw_items())["Content-Disposition"]
        _, _, extended = disposition.partition("filename*=UTF-8''")
        if extended:
            assert urllib.parse.unquote(extended, errors="strict") == name
        else:
            assert part.get_filename() == name.strip()


def test_a_source_in_chunks_arrives_at_a_flask_app(connect: Any, flask_server: Receiver) -> None:
    flask_server.uploads.clear()
    connect(base_url=flask_server.url)("extractions.upload", "-x", [Stream(), ("b.png", b"b")])
    (received,) = flask_server.uploads
    assert received.files == [
        ("stream.pdf", "application/pdf", CONTENT),
        ("b.png", "image/png", b"b"),
    ]


def test_a_path_with_a_name_that_is_not_utf_8(parts: Any, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.pdf"
    Path(os.fsdecode(path)).write_bytes(CONTENT)
    (part,) = parts(os.fsdecode(path))
    assert (part.file_name, part.sha256) == ("caf\ufffd.pdf", sha256(CONTENT))


@pytest.mark.parametrize("resource", ["extractions", "classifications"])
def test_batch_id_adds_to_a_batch(resource: str, face: Any, extracta_client: Client) -> None:
    template: dict[str, Any] = {"fields": [{"key": "a"}]}
    if resource == "classifications":
        template = {"document_types": [{"name": "a"}]}
    made = face(f"{resource}.create", "Template", **template)
    made_id = getattr(made, f"{resource[:-1]}_id")
    first = face(f"{resource}.upload", made_id, ("a", b"a"))
    second = face(f"{resource}.upload", made_id, ("b", b"b"), batch_id=first.batch_id)
    assert (second.batch_id, len(second.files)) == (first.batch_id, 1)
    results = face.run(second.wait, poll_interval=0)
    assert [file.file_name for file in results] == ["a", "b"]
    with pytest.raises(NotFoundError) as raised:
        face(f"{resource}.upload", made_id, ("c", b"c"), batch_id="-OAnowhere")
    assert raised.value.status_code == 404
