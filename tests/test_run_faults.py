"""Runs that keep a journal, when the service refuses, is away, or its answers are lost."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_tools import BEFORE, names, once, run, uploaded

from extracta_rs import (
    Journal,
    RunIncompleteError,
)
from extracta_rs.testing import Emulator

LOST = {"cut": "after"}
KEPT_BACK = {"cut": "before"}


def everything(folder: Path) -> Any:
    """Return what `uploaded` tells when the whole folder was uploaded once."""
    return once(*((path.name, path.read_bytes()) for path in folder.iterdir()))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_ends_the_run_and_nothing_is_lost(
    face: Any,
    extraction_id: str,
    extracta_emulator: Emulator,
    folder: Path,
    journal: Path,
    status: int,
) -> None:
    files = sorted(folder.iterdir())
    extracta_emulator.faults.add("uploadFiles", status=status, times=None)
    with pytest.raises(Exception, match=str(status)) as caught:
        run(face, extraction_id, files, journal, max_files_per_batch=2)
    assert type(caught.value).__name__ in ("AuthenticationError", "PermissionDeniedError")
    assert not uploaded(extracta_emulator)
    with Journal(journal) as read:
        assert read.status()["refused"] + read.status()["planned"] == len(files)
    extracta_emulator.faults.clear()
    assert names(run(face, extraction_id, files, journal)) == [path.name for path in files]


def test_a_service_that_is_away_for_a_while(
    connect: Callable[..., Any],
    extraction_id: str,
    extracta_emulator: Emulator,
    folder: Path,
    journal: Path,
) -> None:
    port = int(extracta_emulator.base_url.split(":")[2].split("/")[0])
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        door = reserved.getsockname()[1]
        face = connect(base_url=f"http://127.0.0.1:{door}/api/v1", max_retries=0)

        def relay() -> None:
            pairs = []
            reserved.listen()
            reserved.settimeout(0.05)
            while not ended.is_set():
                try:
                    client, _ = reserved.accept()
                except TimeoutError:
                    continue
                server = socket.create_connection(("127.0.0.1", port))
                pairs.append((client, server))
                for one, other in ((client, server), (server, client)):
                    pumps.append(threading.Thread(target=pump, args=(one, other)))
                    pumps[-1].start()
            for end in itertools.chain(*pairs):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            for thread in pumps:
                thread.join()
            for end in itertools.chain(*pairs):
                end.close()

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        ended, pumps = threading.Event(), list[threading.Thread]()
        opened = threading.Timer(1.5, relay)
        opened.start()
        try:
            results = run(face, extraction_id, sorted(folder.iterdir()), journal)
            face.client.close()
        finally:
            ended.set()
            opened.join()
    assert names(results) == [path.name for path in sorted(folder.iterdir())]
    assert uploaded(extracta_emulator) == everything(folder)


@pytest.mark.parametrize(
    "fault",
    [
        LOST,
        {"cut": "mid"},
        {"malformed": True},
        {"status": 502, "body": b"<html>bad gateway</html>", "carry_out": True},
        {"status": 500, "carry_out": True},
        {"body": b"{}"},
    ],
    ids=lambda fault: "-".join(map(str, fault)),
)
def test_an_upload_whose_answer_is_lost_is_found(
    own: Callable[..., Any], folder: Path, journal: Path, fault: dict[str, Any]
) -> None:
    face, emulator, extraction_id = own()
    emulator.faults.add("uploadFiles", **fault, times=2)
    results = run(face, extraction_id, sorted(folder.iterdir()), journal, max_files_per_batch=3)
    assert names(results) == [path.name for path in sorted(folder.iterdir())]
    assert uploaded(emulator) == everything(folder) + BEFORE


@pytest.mark.parametrize(
    "fault", [KEPT_BACK, {"status": 500}, {"status": 502}], ids=lambda fault: str(*fault)
)
def test_an_upload_that_is_surely_not_there_is_sent_again(
    own: Callable[..., Any], folder: Path, journal: Path, fault: dict[str, Any]
) -> None:
    face, emulator, extraction_id = own()
    emulator.faults.add("uploadFiles", **fault, times=2)
    results = run(face, extraction_id, sorted(folder.iterdir()), journal, max_files_per_batch=3)
    assert names(results) == [path.name for path in sorted(folder.iterdir())]
    assert uploaded(emulator) == everything(folder) + BEFORE


def test_an_absence_counts_only_after_the_settle_time(
    own: Callable[..., Any], folder: Path, journal: Path
) -> None:
    face, emulator, extraction_id = own()
    emulator.faults.add("uploadFiles", **KEPT_BACK)
    run(face, extraction_id, folder / "0.pdf", journal, settle_time=2.0)
    first, second = [r.time for r in emulator.requests() if r.endpoint == "uploadFiles"][1:]
    assert second - first >= 2.0


def test_an_older_batch_of_the_same_names_is_not_taken_for_a_lost_upload(
    own: Callable[..., Any], folder: Path, journal: Path
) -> None:
    face, emulator, extraction_id = own()
    files = sorted(folder.iterdir())
    older = face("extractions.upload", extraction_id, files)
    emulator.faults.add("uploadFiles", **KEPT_BACK)
    (results,) = run(face, extraction_id, files, journal)
    assert results.batch_id != older.batch_id
    assert set(uploaded(emulator).values()) == {1, 2}


def test_views_that_fail_for_a_while_do_not_lead_to_a_second_upload(
    own: Callable[..., Any], folder: Path, journal: Path
) -> None:
    face, emulator, extraction_id = own()
    emulator.faults.add("uploadFiles", **LOST)
    # The first look is before any upload; those after it are for the lost one.
    emulator.faults.add("viewExtraction", status=200, body=b'{"extractionDetails": {', times=1)
    emulator.faults.add("viewExtraction", status=500, times=8)
    results = run(face, extraction_id, sorted(folder.iterdir()), journal)
    assert len(results) == 1
    assert uploaded(emulator) == everything(folder) + BEFORE


def test_a_batch_that_is_gone_is_told(own: Callable[..., Any], folder: Path, journal: Path) -> None:
    face, emulator, extraction_id = own()
    emulator.faults.add("getBatchResults", status=404, times=None)
    with pytest.raises(RunIncompleteError) as caught:
        run(face, extraction_id, folder / "0.pdf", journal)
    (gone,) = caught.value.failed
    assert gone.batch_id in face("extractions.view", extraction_id).batches
    assert uploaded(emulator) == once(("0.pdf", b"%PDF 0")) + BEFORE
