"""Runs that keep a journal: how they are stopped, and two at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from run_tools import BEFORE, FAST, hold, names, once, run, uploaded, work

from extracta_rs import AsyncClient, Client, ExtractaError, Journal, RunIncompleteError
from extracta_rs.testing import Emulator


def everything(folder: Path) -> Any:
    """Return what `uploaded` tells when the whole folder was uploaded once."""
    return once(*((path.name, path.read_bytes()) for path in folder.iterdir()))


def finished(journal: Path) -> int:
    """Return how many documents have results in the journal."""
    with Journal(journal) as read:
        return read.status()["finished"]


def test_an_upload_under_way_is_recorded_before_a_timeout_ends_the_run(
    own: Callable[..., Any], folder: Path, journal: Path
) -> None:
    face, emulator, extraction_id = own()
    emulator.faults.add("uploadFiles", delay=1.0)
    with pytest.raises(RunIncompleteError):
        run(face, extraction_id, sorted(folder.iterdir()), journal, timeout=0.3)
    with Journal(journal) as read:
        assert read.status()["uploaded"] == 7
    run(face, extraction_id, sorted(folder.iterdir()), journal)
    assert uploaded(emulator) == everything(folder) + BEFORE


def test_a_run_that_nobody_holds_any_more_stops(
    own: Callable[..., Any], folder: Path, journal: Path
) -> None:
    face, emulator, extraction_id = own(processing_time=0.2)
    settings = {"journal": journal, "max_files_per_batch": 1, "concurrency": 1, **FAST}
    results = face.client.extractions.run_many(extraction_id, sorted(folder.iterdir()), **settings)
    hold(lambda: bool(uploaded(emulator) - BEFORE))
    del results
    hold(lambda: not list(journal.parent.glob("*-run-*")))
    seen = len(emulator.requests())
    time.sleep(0.3)
    assert len(emulator.requests()) == seen
    run(face, extraction_id, sorted(folder.iterdir()), journal)
    assert uploaded(emulator) == everything(folder) + BEFORE


def test_a_closed_client_ends_the_run(own: Callable[..., Any], folder: Path, journal: Path) -> None:
    face, emulator, extraction_id = own(processing_time=60.0)

    def close() -> None:
        hold(lambda: any(r.endpoint == "getBatchResults" for r in emulator.requests()))
        face.client.close()

    closing = threading.Thread(target=close)
    closing.start()
    with pytest.raises(ExtractaError, match="closed"):
        run(face, extraction_id, sorted(folder.iterdir()), journal)
    closing.join()
    sent = uploaded(emulator)
    assert sent == everything(folder) + BEFORE
    with Journal(journal) as read:
        assert read.status()["uploaded"] == 7


@pytest.mark.parametrize("phase", ["looking", "sending", "waiting"])
def test_asyncio_cancellation(
    phase: str, extracta_emulator: Emulator, extraction_id: str, folder: Path, journal: Path
) -> None:
    endpoint = {"looking": "viewExtraction", "sending": "uploadFiles"}.get(phase, "getBatchResults")
    files = sorted(folder.iterdir())

    async def scene() -> None:
        async with AsyncClient(
            extracta_emulator.api_key, base_url=extracta_emulator.base_url, min_poll_spacing=0
        ) as client:
            await client.extractions.upload(extraction_id, ("before.txt", b"before"))
            seen = len(extracta_emulator.requests())
            extracta_emulator.faults.add(endpoint, delay=1.0)

            async def work() -> list[Any]:
                runs = client.extractions.run_many(extraction_id, files, journal=journal, **FAST)
                return [batch async for batch in runs]

            task = asyncio.create_task(work())
            while not any(
                request.endpoint == endpoint for request in extracta_emulator.requests()[seen:]
            ):
                await asyncio.sleep(0.01)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert task.cancelled()
            extracta_emulator.faults.clear()
            assert names(await work()) == [path.name for path in files]

    asyncio.run(scene())
    assert uploaded(extracta_emulator) == everything(folder) + BEFORE


@pytest.mark.parametrize("killed", [False, True], ids=["both end well", "one is killed"])
def test_two_processes_share_a_journal(
    extracta_client: Client,
    extracta_emulator: Emulator,
    extraction_id: str,
    folder: Path,
    journal: Path,
    killed: bool,
) -> None:
    for number in range(30):
        (folder / f"more-{number}.pdf").write_bytes(b"%%PDF more %d" % number)
    extracta_client.extractions.upload(extraction_id, ("before.txt", b"before"))
    extracta_emulator.faults.add("uploadFiles", delay=0.1, times=None)
    first, second = (work(extracta_emulator, extraction_id, folder, journal) for _ in range(2))
    if killed:
        hold(lambda: len(uploaded(extracta_emulator)) > 5)
        first.send_signal(signal.SIGKILL)
    else:
        assert first.wait(60) == 0
        assert first.stdout.read() == "37\n"
    assert second.wait(60) == 0
    assert second.stdout.read() == "37\n"
    first.communicate()
    second.communicate()
    assert uploaded(extracta_emulator) == everything(folder) + BEFORE
    assert finished(journal) == 37
