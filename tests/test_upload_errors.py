"""Uploads that are refused before anything is sent, that break off, or whose outcome is unknown."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import (
    APIConnectionError,
    APITimeoutError,
    ExtractaError,
    ResponseFormatError,
    ServerError,
    UploadFile,
    UploadOutcomeUnknownError,
)
from extracta_rs.testing import Emulator, Request

CONTENT = b"%PDF-1.7 " * 50_000  # More than one chunk.
Uploads = Callable[[], list[Request]]


class Stream:
    """A source that cannot be rewound."""

    name = "stream.pdf"

    def __init__(self, *chunks: Any) -> None:
        self.chunks = list(chunks)
        self.reads = 0

    def read(self, size: int = -1) -> Any:
        self.reads += 1
        chunk = self.chunks.pop(0) if self.chunks else b""
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk


@pytest.fixture
def uploads(extracta_emulator: Emulator) -> Uploads:
    """Return the uploads that the emulator has seen."""
    return lambda: [r for r in extracta_emulator.requests() if r.endpoint == "uploadFiles"]


def test_what_is_refused_before_anything_is_sent(
    face: Any, extraction_id: str, uploads: Uploads, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("text")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with text.open() as text_file, tempfile.TemporaryFile() as nameless:
        cases: list[tuple[Any, type[Exception], str]] = [
            (tmp_path / "missing.pdf", FileNotFoundError, "missing.pdf"),
            (str(tmp_path / "missing.pdf"), FileNotFoundError, "missing.pdf"),
            ([text, tmp_path / "missing.pdf"], FileNotFoundError, "missing.pdf"),
            (UploadFile("a", tmp_path / "missing.pdf"), FileNotFoundError, "missing.pdf"),
            (tmp_path, IsADirectoryError, "Is a directory"),
            (text / "below", NotADirectoryError, "below"),
            (pipe, ValueError, "not a regular file"),
            ("..", IsADirectoryError, "Is a directory"),
            (Path(), IsADirectoryError, "Is a directory"),
            ("", ValueError, "has no name"),
            ([], ValueError, "no files"),
            (iter(()), ValueError, "no files"),
            (b"bare", TypeError, "bytes have no name"),
            ([bytearray(b"bare")], TypeError, "bytes have no name"),
            (text_file, TypeError, "text mode"),
            (("a", io.StringIO("text")), TypeError, "text mode"),
            (nameless, ValueError, "without a name"),
            (io.BytesIO(b"x"), ValueError, "without a name"),
            (("", b"x"), ValueError, "has no name"),
            (UploadFile("", b"x"), ValueError, "has no name"),
            (UploadFile("a", b"x", "text/plain\r\nX-Evil: 1"), ValueError, "content type"),
            (UploadFile("a", 5), TypeError, "not int"),  # type: ignore[arg-type]
            (None, TypeError, "not NoneType"),
            ([("a", b"x"), 5], TypeError, "not int"),
            (("a", "b", "c"), FileNotFoundError, "a"),
            ([("a", b"x", "text/plain")], TypeError, "not tuple"),
            (("\ud800", b"x"), ValueError, "surrogates"),
        ]
        for files, error, said in cases:
            with pytest.raises(error, match=said):
                face("extractions.upload", extraction_id, files)
    assert uploads() == []


def test_a_missing_path_is_told_as_python_does(
    face: Any, extraction_id: str, tmp_path: Path
) -> None:
    path = tmp_path / "missing.pdf"
    with pytest.raises(FileNotFoundError) as raised:
        face("extractions.upload", extraction_id, path)
    with pytest.raises(FileNotFoundError) as expected:
        path.open()
    assert str(raised.value) == str(expected.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_path_without_permission(
    face: Any, extraction_id: str, uploads: Uploads, tmp_path: Path
) -> None:
    path = tmp_path / "secret.pdf"
    path.touch(0o000)
    with pytest.raises(PermissionError):
        face("extractions.upload", extraction_id, path)
    assert uploads() == []


@pytest.mark.parametrize(
    ("chunks", "error", "said"),
    [
        ([LookupError("lost")], LookupError, "lost"),
        ([b"first", OSError(5, "Input/output error")], OSError, "Input/output error"),
        ([b"first", KeyboardInterrupt()], KeyboardInterrupt, None),
        (["text"], TypeError, "did not give bytes"),
        ([None], TypeError, "did not give bytes"),
        ([b"x" * (1 << 20)], OSError, r"read\(\d+\) gave 1048576 bytes"),
    ],
)
def test_what_read_raises_arrives(
    chunks: list[Any],
    error: type[BaseException],
    said: str | None,
    face: Any,
    extraction_id: str,
    uploads: Uploads,
) -> None:
    if face.name == "asyncio" and error is KeyboardInterrupt:
        pytest.skip("asyncio.run has its own way with it")
    with pytest.raises(error, match=said) as raised:
        face("extractions.upload", extraction_id, Stream(*chunks))
    if isinstance(chunks[-1], BaseException):
        assert raised.value is chunks[-1]
    face("credits")
    assert [request.carried_out for request in uploads()] in ([], [False])


@pytest.mark.parametrize("change", ["shrinks", "vanishes", "grows"])
def test_a_file_that_changes_while_it_is_sent(
    change: str, face: Any, extraction_id: str, uploads: Uploads, tmp_path: Path
) -> None:
    path = tmp_path / "changing.pdf"
    path.write_bytes(CONTENT)

    class Saboteur(Stream):
        def read(self, size: int = -1) -> Any:
            if change == "vanishes":
                path.unlink(missing_ok=True)
            else:
                os.truncate(path, len(CONTENT) // 2 if change == "shrinks" else len(CONTENT) * 2)
            return b""

    def upload() -> None:
        face("extractions.upload", extraction_id, [Saboteur(), path])

    if change == "grows":
        upload()
        assert uploads()[0].parts[-1].sha256 == hashlib.sha256(CONTENT).hexdigest()
        return
    with pytest.raises(OSError, match=r"changing\.pdf") as raised:
        upload()
    assert not isinstance(raised.value, ExtractaError)
    assert ("shorter" in str(raised.value)) == (change == "shrinks")
    face("credits")
    assert [request.carried_out for request in uploads()] in ([], [False])


@pytest.mark.parametrize("known", [True, False])
def test_progress_grows_to_the_total(
    known: bool, face: Any, extraction_id: str, uploads: Uploads
) -> None:
    told: list[tuple[int, int | None]] = []
    where: set[tuple[int, bool]] = set()

    def on_progress(sent: int, total: int | None) -> None:
        told.append((sent, total))
        try:
            looped = asyncio.get_running_loop() is not None
        except RuntimeError:
            looped = False
        where.add((threading.get_ident(), looped))

    files: Any = [("a.pdf", CONTENT), ("b.pdf", io.BytesIO(CONTENT))]
    face(
        "extractions.upload",
        extraction_id,
        files if known else [*files, Stream(b"x" * 1000)],
        on_progress=on_progress,
    )
    sent = [sent for sent, _ in told]
    assert sent == sorted(set(sent))
    length = uploads()[0].header("content-length")
    assert {total for _, total in told} == {int(length) if length else None}
    assert (length is not None) == known
    assert sent[-1] == int(length) if length else sent[-1] > 2 * len(CONTENT) + 1000
    assert where == {(threading.get_ident(), face.name == "asyncio")}


@pytest.mark.parametrize("error", [LookupError("stop"), KeyboardInterrupt()])
def test_what_on_progress_raises_stops_the_upload(
    error: BaseException, face: Any, extraction_id: str, uploads: Uploads
) -> None:
    if face.name == "asyncio" and isinstance(error, KeyboardInterrupt):
        pytest.skip("an event loop does not survive it")

    class Endless(Stream):
        def read(self, size: int = -1) -> Any:
            super().read()
            return bytes(size)

    def on_progress(sent: int, total: int | None) -> None:
        if sent > 1 << 20:
            raise error

    source = Endless()
    with pytest.raises(type(error)) as raised:
        face("extractions.upload", extraction_id, source, on_progress=on_progress)
    assert raised.value is error
    reads = -1
    while reads != source.reads:  # Ends only if the reading ends.
        reads = source.reads
        face("credits")
    assert [(r.status, r.carried_out) for r in uploads()] == [(None, False)]


OUTCOMES: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "500": ({"status": 500}, ServerError),
    "500 done": ({"status": 500, "carry_out": True}, ServerError),
    "500 Retry-After": ({"status": 500, "retry_after": 0}, ServerError),
    "502": ({"status": 502, "body": "<html>"}, ServerError),
    "503": ({"status": 503}, ServerError),
    "504": ({"status": 504, "carry_out": True}, ServerError),
    "before": ({"cut": "before"}, APIConnectionError),
    "after": ({"cut": "after"}, APIConnectionError),
    "mid": ({"cut": "mid"}, APIConnectionError),
    "malformed": ({"malformed": True}, ResponseFormatError),
    "html": ({"body": "<html>"}, ResponseFormatError),
    "no batchId": ({"body": '{"status": "uploaded"}'}, ResponseFormatError),
    "empty batchId": ({"body": '{"batchId": " "}'}, ResponseFormatError),
    "redirect": ({"status": 307, "headers": {"Location": "/x"}}, ResponseFormatError),
    "timeout": ({"delay": 2}, APITimeoutError),
    "slow": ({"slow_body": 4}, APITimeoutError),
}


@pytest.mark.parametrize("fault", OUTCOMES)
def test_an_unknown_outcome_is_told_and_nothing_is_sent_again(
    fault: str,
    connect: Any,
    extraction_id: str,
    extracta_emulator: Emulator,
    uploads: Uploads,
    tmp_path: Path,
) -> None:
    options, cause = OUTCOMES[fault]
    extracta_emulator.faults.add("uploadFiles", **options)
    path = tmp_path / "path.pdf"
    path.write_bytes(CONTENT)
    file = io.BytesIO(b"before" + CONTENT)
    file.seek(6)
    face = connect(timeout=0.5, max_retries=3)
    face("credits")  # The upload meets a connection that is open already.
    with pytest.raises(UploadOutcomeUnknownError, match="Nothing was sent again") as raised:
        face(
            "extractions.upload",
            extraction_id,
            [path, ("bytes.pdf", b"x"), ("file.pdf", file), Stream(b"y")],
        )
    error = raised.value
    assert type(error.__cause__) is cause
    assert error.file_names == ["path.pdf", "bytes.pdf", "file.pdf", "stream.pdf"]
    whole = hashlib.sha256(CONTENT).hexdigest()
    assert error.sha256 == [whole, hashlib.sha256(b"x").hexdigest(), whole, None]
    assert (error.extraction_id, error.classification_id) == (extraction_id, None)
    assert error.batch_id is None
    face("credits")
    assert len(uploads()) == 1
    assert extracta_emulator.faults.pending() == 0


def test_an_unknown_outcome_names_the_classification_and_the_batch(
    face: Any, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("documentClassification/uploadFiles", status=500)
    with pytest.raises(UploadOutcomeUnknownError, match="classification -c") as raised:
        face("classifications.upload", "-c", ("a", b"a"), batch_id="-b")
    error = raised.value
    assert (error.extraction_id, error.classification_id, error.batch_id) == (None, "-c", "-b")
