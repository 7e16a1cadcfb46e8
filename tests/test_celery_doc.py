"""docs/celery.md: its two tasks for several machines, chained in eager mode on an emulator."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Any

import pytest
from celery import chain

from extracta_rs import Client, UploadOutcomeUnknownError, templates
from extracta_rs.testing import Emulator

PAGE = (Path(__file__).parent.parent / "docs" / "celery.md").read_text(encoding="utf-8")
PROGRAM = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)[-1]


@pytest.fixture
def tasks(extracta_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The program as a module, in eager mode."""
    monkeypatch.setenv("EXTRACTA_API_KEY", extracta_emulator.api_key)
    monkeypatch.setenv("EXTRACTA_BASE_URL", extracta_emulator.base_url)
    module = types.ModuleType("tasks")
    exec(compile(PROGRAM, "docs/celery.md", "exec"), vars(module))  # the program under test
    module.app.conf.update(task_always_eager=True, task_eager_propagates=True)
    return module


@pytest.fixture
def invoices(extracta_client: Client) -> str:
    return extracta_client.extractions.create(**templates.load("invoice")).extraction_id


def test_the_chain_uploads_and_fetches(tasks: Any, invoices: str, tmp_path: Path) -> None:
    document = tmp_path / "a.pdf"
    document.write_bytes(b"%PDF-1.7")
    (file,) = chain(tasks.upload.s(invoices, str(document)), tasks.fetch.s()).delay().get()
    assert (file["fileName"], file["result"]["total"]) == ("a.pdf", "801.89")


def test_an_upload_whose_answer_was_lost_is_not_sent_again(
    tasks: Any, invoices: str, tmp_path: Path, extracta_emulator: Emulator
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    extracta_emulator.faults.add("uploadFiles", cut="after")
    with pytest.raises(UploadOutcomeUnknownError):
        tasks.upload.delay(invoices, str(tmp_path / "a.pdf")).get()
    sent = [request for request in extracta_emulator.requests() if request.path == "/uploadFiles"]
    assert len(sent) == 1
