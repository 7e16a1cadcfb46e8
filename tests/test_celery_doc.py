"""docs/celery.md: its store in SQLite and its webhook, in eager mode on an emulator."""

from __future__ import annotations

import re
import sqlite3
import types
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import SIGNATURE_HEADER, Client, templates
from extracta_rs.testing import Emulator, sign_delivery

PAGE = (Path(__file__).parent.parent / "docs" / "celery.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
SECRET = "E_AI_K_celery"


@pytest.fixture
def site(extracta_emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The store's program and the webhook's as one module, in eager mode."""
    [store] = [program for program in PROGRAMS if "ON CONFLICT" in program]
    [webhook] = [program for program in PROGRAMS if "flask" in program]
    monkeypatch.setenv("EXTRACTA_API_KEY", extracta_emulator.api_key)
    monkeypatch.setenv("EXTRACTA_BASE_URL", extracta_emulator.base_url)
    monkeypatch.setenv("EXTRACTA_WEBHOOK_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("documents")
    exec(compile(store + webhook, "docs/celery.md", "exec"), vars(module))  # the program under test
    module.app.conf.task_always_eager = True
    return module


def rows(name: str) -> list[tuple[str, ...]]:
    """Return what is stored of a document."""
    database = sqlite3.connect("documents.db")
    found = database.execute("SELECT status, total FROM files WHERE name = ?", (name,)).fetchall()
    database.close()
    return found


def test_a_webhook_and_the_polls_store_a_document_once(
    site: Any, extracta_client: Client, tmp_path: Path
) -> None:
    made = extracta_client.extractions.create(**templates.load("invoice")).extraction_id
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    token = site.extracta.upload.delay(made, "a.pdf", label="4711").get()
    body, headers = sign_delivery(extracta_client.fetch(token), SECRET)
    forged = {SIGNATURE_HEADER: headers[SIGNATURE_HEADER].swapcase()}
    browser = site.site.test_client()
    assert browser.post("/webhooks/extracta", data=body, headers=forged).status_code == 401
    assert not (tmp_path / "documents.db").exists()
    assert browser.post("/webhooks/extracta", data=body, headers=headers).status_code == 204
    assert rows("a.pdf") == [("processed", "801.89")]
    assert site.extracta.extract(made, "a.pdf", label="4711").delay().get() == token
    assert rows("a.pdf") == [("processed", "801.89")]
