"""What the command line needs of runs and journals, on both faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_tools import BEFORE, FAST, hold, once, run, uploaded

from extracta_rs import Client, Journal
from extracta_rs._runs import RunProgress


def test_how_far_a_run_is(own: Callable[..., Any], folder: Path, journal: Path) -> None:
    face, _, extraction_id = own()
    files = sorted(folder.iterdir())
    size = sum(path.stat().st_size for path in files)
    for progress in (RunProgress(size, 0, 4, 4), RunProgress(0, size, 0, 0)):
        work = face.client.extractions.run_many(
            extraction_id, files, journal=journal, max_files_per_batch=2, **FAST
        )
        assert work.progress().bytes_uploaded == 0
        assert len(face.run(lambda work=work: work)) == 4
        assert work.progress() == progress


def test_an_upload_that_begins_anew_is_not_counted_twice(
    own: Callable[..., Any], folder: Path, journal: Path
) -> None:
    face, emulator, extraction_id = own()
    emulator.faults.add("uploadFiles", status=503, retry_after=0)
    files = sorted(folder.iterdir())
    work = face.client.extractions.run_many(extraction_id, files, journal=journal, **FAST)
    face.run(lambda: work)
    assert work.progress().bytes_uploaded == sum(path.stat().st_size for path in files)


def test_a_stopped_run_lets_its_uploads_end(
    own: Callable[..., Any], folder: Path, journal: Path
) -> None:
    face, emulator, extraction_id = own(processing_time=60.0)
    emulator.faults.add("uploadFiles", delay=0.5)
    files = sorted(folder.iterdir())
    work = face.client.extractions.run_many(
        extraction_id, files, journal=journal, max_files_per_batch=3, concurrency=1, **FAST
    )
    hold(lambda: bool(uploaded(emulator) - BEFORE))
    work.stop()
    assert face.run(lambda: work) == []
    with Journal(journal) as read:
        assert {state: count for state, count in read.status().items() if count} == {
            "planned": 4, "uploaded": 3,
        }  # fmt: skip
    sent = once(*((path.name, path.read_bytes()) for path in files[:3]))
    assert uploaded(emulator) == sent + BEFORE


def test_a_run_that_was_stopped_can_be_gone_on_with(
    own: Callable[..., Any], folder: Path, journal: Path
) -> None:
    face, emulator, extraction_id = own()
    files = sorted(folder.iterdir())
    work = face.client.extractions.run_many(extraction_id, files, journal=journal, **FAST)
    work.stop()
    face.run(lambda: work)
    run(face, extraction_id, files, journal)
    sent = once(*((path.name, path.read_bytes()) for path in files))
    assert uploaded(emulator) == sent + BEFORE


def test_a_journal_keeps_which_extraction_was_made(journal: Path) -> None:
    template = {"name": "Bills", "fields": [{"key": "total"}]}
    with Journal(journal) as first, Journal(journal) as second:
        assert first.extraction_of(template) is None
        assert first.keep_extraction(template, "-Oa") == "-Oa"
        assert second.keep_extraction(dict(reversed(template.items())), "-Ob") == "-Oa"
        assert second.extraction_of(template) == "-Oa"
        assert second.extraction_of(template | {"name": "Other"}) is None


def test_ports_of_the_emulator(extracta_client: Client) -> None:
    from extracta_rs.testing import Emulator

    with Emulator() as free:
        port = int(free.base_url.split(":")[2].split("/")[0])
        with pytest.raises(OSError, match="in use"):
            Emulator(port=port).start()
    with Emulator(port=port) as again:
        assert again.base_url == free.base_url
    with pytest.raises(ValueError, match="port"):
        Emulator(port=65536)
