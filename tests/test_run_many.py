"""Runs that keep a journal: what is uploaded, what is handed over, and what goes on later."""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from run_tools import names, once, run, uploaded

from extracta_rs import Journal, RunIncompleteError, UploadFile
from extracta_rs.testing import Emulator


def test_each_document_is_uploaded_once_and_a_second_run_takes_all_from_the_journal(
    face: Any, extraction_id: str, extracta_emulator: Emulator, folder: Path, journal: Path
) -> None:
    files = sorted(folder.iterdir())
    results = run(face, extraction_id, files, journal, max_files_per_batch=3)
    assert names(results) == [path.name for path in files]
    assert sorted(len(batch.documents) for batch in results) == [1, 3, 3]
    assert not any(batch.from_journal for batch in results)
    sent = once(*((path.name, path.read_bytes()) for path in files))
    assert uploaded(extracta_emulator) == sent
    before = len(extracta_emulator.requests())
    again = run(face, extraction_id, files, journal)
    assert all(batch.from_journal for batch in again)
    assert {b.batch_id: b.to_dict() for b in again} == {b.batch_id: b.to_dict() for b in results}
    assert uploaded(extracta_emulator) == sent
    # One look at the extraction, which the first upload might need; nothing else.
    assert [r.endpoint for r in extracta_emulator.requests()[before:]] == ["viewExtraction"]


def test_results_say_which_document_they_are_of(
    face: Any, extraction_id: str, folder: Path, journal: Path
) -> None:
    (results,) = run(face, extraction_id, sorted(folder.iterdir()), journal)
    for file in results:
        document = results.document_of(file)
        assert document is not None
        content = (folder / file.file_name).read_bytes()
        assert document.sha256 == hashlib.sha256(content).hexdigest()
        assert (document.path, document.size) == (str(folder / file.file_name), len(content))
        assert file.result == {"total": "12.50"}


def test_more_files_later_are_all_that_is_uploaded(
    face: Any, extraction_id: str, extracta_emulator: Emulator, folder: Path, journal: Path
) -> None:
    run(face, extraction_id, sorted(folder.iterdir()), journal)
    (folder / "new.pdf").write_bytes(b"new")
    results = run(face, extraction_id, sorted(folder.iterdir()), journal)
    assert names(results) == sorted(path.name for path in folder.iterdir())
    assert set(uploaded(extracta_emulator).values()) == {1}
    assert Counter(batch.from_journal for batch in results) == {True: 1, False: 1}


def test_a_moved_folder_is_the_same_documents(
    face: Any, extraction_id: str, extracta_emulator: Emulator, folder: Path, journal: Path
) -> None:
    run(face, extraction_id, sorted(folder.iterdir()), journal)
    moved = folder.rename(folder.with_name("moved"))
    (results,) = run(face, extraction_id, sorted(moved.iterdir()), journal)
    assert results.from_journal
    assert results.documents[0].path == str(moved / "0.pdf")
    assert sum(uploaded(extracta_emulator).values()) == 7


def test_a_changed_file_is_another_document(
    face: Any, extraction_id: str, extracta_emulator: Emulator, folder: Path, journal: Path
) -> None:
    run(face, extraction_id, sorted(folder.iterdir()), journal)
    changed = folder / "3.pdf"
    changed.write_bytes(b"changed")
    results = run(face, extraction_id, sorted(folder.iterdir()), journal)
    assert uploaded(extracta_emulator)["3.pdf", hashlib.sha256(b"changed").hexdigest()] == 1
    assert sum(uploaded(extracta_emulator).values()) == 8
    assert names(results).count("3.pdf") == 2


def test_a_file_put_in_the_place_of_another_of_its_size_and_time_is_read(
    face: Any, extraction_id: str, extracta_emulator: Emulator, folder: Path, journal: Path
) -> None:
    path, old = folder / "0.pdf", time.time_ns() - 10**12
    os.utime(path, ns=(old, old))
    run(face, extraction_id, [path], journal)
    path.write_bytes(b"%PDF X")
    os.utime(path, ns=(old, old))
    run(face, extraction_id, [path], journal)
    assert uploaded(extracta_emulator) == once(("0.pdf", b"%PDF 0"), ("0.pdf", b"%PDF X"))


def test_relative_paths_of_another_folder_are_other_files(
    face: Any,
    extraction_id: str,
    extracta_emulator: Emulator,
    tmp_path: Path,
    journal: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = time.time_ns() - 10**12
    for name, content in (("one", b"%PDF 1"), ("two", b"%PDF 2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.pdf").write_bytes(content)
        os.utime(tmp_path / name / "same.pdf", ns=(old, old))
        monkeypatch.chdir(tmp_path / name)
        (*_, results) = run(face, extraction_id, ["same.pdf"], journal)
        assert results.documents[0].path == str(tmp_path / name / "same.pdf")
    assert uploaded(extracta_emulator) == once(("same.pdf", b"%PDF 1"), ("same.pdf", b"%PDF 2"))


def test_equal_names_in_different_folders_are_kept_apart(
    face: Any, extraction_id: str, extracta_emulator: Emulator, tmp_path: Path, journal: Path
) -> None:
    paths = []
    for number in range(5):
        path = tmp_path / str(number) / "invoice.pdf"
        path.parent.mkdir()
        path.write_bytes(b"%%PDF %d" % (number % 4))
        paths.append(path)
    results = run(face, extraction_id, paths, journal)
    # 0 and 4 have one content: one document.
    assert uploaded(extracta_emulator) == once(
        *(("invoice.pdf", b"%%PDF %d" % n) for n in range(4))
    )
    assert [len(batch.documents) for batch in results] == [1] * 4


def test_one_document_given_twice_is_uploaded_once(
    face: Any, extraction_id: str, extracta_emulator: Emulator, folder: Path, journal: Path
) -> None:
    files = [folder / "1.pdf", folder / "2.pdf", str(folder / "1.pdf"), ("1.pdf", b"%PDF 1")] * 40
    results = run(face, extraction_id, files, journal, max_files_per_batch=1, concurrency=3)
    assert names(results) == ["1.pdf", "2.pdf"]
    assert uploaded(extracta_emulator) == once(("1.pdf", b"%PDF 1"), ("2.pdf", b"%PDF 2"))


def test_names_beyond_ascii(
    face: Any, extraction_id: str, extracta_emulator: Emulator, tmp_path: Path, journal: Path
) -> None:
    wanted = ['Rechnung "März".pdf', "счёт 7.pdf", "請求書.pdf", "e\u0301.pdf", "\u00e9.pdf"]
    for name in wanted:
        (tmp_path / name).write_bytes(name.encode())
    files = [tmp_path / name for name in wanted]
    extracta_emulator.faults.add("uploadFiles", cut="after")
    assert names(run(face, extraction_id, files, journal)) == sorted(wanted)
    assert uploaded(extracta_emulator) == once(*((name, name.encode()) for name in wanted))
    with Journal(journal) as read:
        assert sorted(document.name for document in read.documents("finished")) == sorted(wanted)


def test_bytes_and_file_objects(
    face: Any, extraction_id: str, extracta_emulator: Emulator, folder: Path, journal: Path
) -> None:
    stream = io.BytesIO(b"skip rest")
    stream.seek(5)

    def files() -> list[Any]:
        stream.seek(5)
        return [("a", b"bytes"), ("b", stream), UploadFile("c", b"own", "text/plain")]

    with (folder / "0.pdf").open("rb") as opened:
        results = run(face, extraction_id, [*files(), opened], journal)
    wanted = once(("a", b"bytes"), ("b", b"rest"), ("c", b"own"), ("0.pdf", b"%PDF 0"))
    assert uploaded(extracta_emulator) == wanted
    assert {document.path for document in results[0].documents if document.name != "0.pdf"} == {
        None
    }
    assert all(batch.from_journal for batch in run(face, extraction_id, files(), journal))
    assert uploaded(extracta_emulator) == wanted


def test_what_cannot_be_read_is_told_and_the_rest_is_uploaded(
    face: Any, extraction_id: str, extracta_emulator: Emulator, folder: Path, journal: Path
) -> None:
    class Pipe(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: object) -> int:
            raise AssertionError("it cannot be read twice, so it is not read once")

    missing = folder / "missing.pdf"
    files = [missing, folder / "1.pdf", ("pipe", Pipe()), folder]
    with pytest.raises(RunIncompleteError) as caught:
        run(face, extraction_id, files, journal)
    assert caught.value.unknown == []
    assert not caught.value.timed_out
    told = {document.name: document for document in caught.value.failed}
    assert set(told) == {"missing.pdf", "pipe", folder.name}
    assert told["missing.pdf"].path == str(missing)
    assert told["missing.pdf"].sha256 is None
    assert "No such file" in told["missing.pdf"].reason
    assert "cannot be read twice" in told["pipe"].reason
    assert "missing.pdf" in str(caught.value)
    assert uploaded(extracta_emulator) == once(("1.pdf", b"%PDF 1"))
    with Journal(journal) as read:
        assert read.status()["finished"] == 1
    missing.write_bytes(b"found")
    assert names(run(face, extraction_id, [missing], journal)) == ["missing.pdf"]


def test_no_files_at_all(
    face: Any, extraction_id: str, extracta_emulator: Emulator, journal: Path
) -> None:
    assert run(face, extraction_id, iter(()), journal) == []
    assert not uploaded(extracta_emulator)
    with pytest.raises(TypeError, match="a file to upload is"):
        run(face, extraction_id, [7], journal)
