"""Runs that keep a journal: what is uploaded, what is handed over, and what goes on later."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from run_tools import names, once, run, uploaded

from extracta_rs import Journal
from extracta_rs.testing import Emulator


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
