"""The ready tasks for Celery without a broker: eager mode, names, the folder of results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from extracta_rs import (
    BatchRef,
    Client,
    ConfigurationError,
    NotFoundError,
    RateLimitError,
    UploadOutcomeUnknownError,
)
from extracta_rs.celery import Folder, Tasks
from extracta_rs.testing import Emulator


@pytest.fixture
def eager(
    extracta_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Tasks]:
    """Make tasks that run where they are called."""
    monkeypatch.setenv("EXTRACTA_API_KEY", extracta_emulator.api_key)
    monkeypatch.setenv("EXTRACTA_BASE_URL", extracta_emulator.base_url)

    def make(**settings: Any) -> Tasks:
        app = Celery("eager", broker="memory://")
        app.conf.task_always_eager = True
        settings = {
            "journal": None,
            "settle_time": 0.1,
            "client": lambda limiter: Client(min_poll_spacing=0, limiter=limiter),
            **settings,
        }
        return Tasks(app, store=Folder(tmp_path / "results"), **settings)

    return make


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF")
    return str(path)


def uploads(emulator: Emulator) -> int:
    return sum(r.endpoint == "uploadFiles" and r.carried_out for r in emulator.requests())


def test_tasks_run_in_eager_mode(
    eager: Callable[..., Tasks], extraction_id: str, document: str, tmp_path: Path
) -> None:
    tasks = eager()
    token = tasks.extract(extraction_id, document).delay().get()
    assert token in Folder(tmp_path / "results")
    assert tasks.check.delay(token).get() == token


def test_an_upload_that_nothing_can_tell_of_fails_loudly(
    eager: Callable[..., Tasks], extraction_id: str, document: str, extracta_emulator: Emulator
) -> None:
    with pytest.raises(UploadOutcomeUnknownError, match="first_try"):
        eager().upload.apply((extraction_id, document), retries=1).get()
    assert uploads(extracta_emulator) == 0


def test_a_refused_upload_fails_where_it_is_called(
    eager: Callable[..., Tasks],
    extraction_id: str,
    document: str,
    extracta_emulator: Emulator,
    tmp_path: Path,
) -> None:
    extracta_emulator.faults.add("uploadFiles", status=429, retry_after=0, times=None)
    tasks = eager(journal=tmp_path / "journal")
    with pytest.raises(RateLimitError):
        tasks.upload.delay(extraction_id, document).get()
    assert uploads(extracta_emulator) == 0


def test_what_is_wrong_fails_and_is_not_tried_again(
    eager: Callable[..., Tasks], extraction_id: str, extracta_emulator: Emulator
) -> None:
    tasks = eager()
    with pytest.raises(FileNotFoundError):
        tasks.upload.delay(extraction_id, "/nowhere/a.pdf").get()
    with pytest.raises(NotFoundError):
        tasks.collect.delay(BatchRef(extraction_id=extraction_id, batch_id="-no").token()).get()
    with pytest.raises(ValueError, match="token"):
        tasks.check.delay("a.pdf").get()
    with pytest.raises(ConfigurationError, match="EXTRACTA_WEBHOOK_SECRET"):
        tasks.deliver(b"{}", "x")


def test_an_app_has_one_set_of_tasks_for_each_prefix() -> None:
    app = Celery("twice", broker="memory://")
    Tasks(app, store=print, journal=None)
    with pytest.raises(ValueError, match="prefix"):
        Tasks(app, store=print, journal=None)
    second = Tasks(app, store=print, journal=None, prefix="other")
    assert second.upload.name == "other.upload"
    assert "extracta_rs.deliver" in app.tasks


def test_a_folder_keeps_the_first_results_and_strange_ids_inside(
    extracta_client: Client, extraction_id: str, batch_id: str, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "results")
    results = extracta_client.extractions.results(extraction_id, batch_id)
    assert results.batch not in folder
    folder(results)
    first = folder.path(results.batch).stat()
    folder(results)
    assert folder.path(results.batch).stat() == first
    assert [path.name for path in folder.path(results.batch).parent.iterdir()] == [
        f"{batch_id}.json"
    ]
    strange = folder.path(BatchRef(extraction_id="..", batch_id="../../a/b"))
    assert strange.resolve().is_relative_to(tmp_path / "results")
    assert strange.parent.parent == tmp_path / "results"
