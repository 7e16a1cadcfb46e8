"""The programs of docs/webhooks-frameworks.md take real deliveries, started as it says there."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from extracta_rs import Client, WebhookEvent, unwrap
from extracta_rs.contrib import _common
from extracta_rs.testing import Emulator

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "webhooks-frameworks.md").read_text(encoding="utf-8")
SECTIONS = {
    section.partition("\n")[0].removeprefix("Any other ").split()[0].lower(): section
    for section in re.split(r"^## ", PAGE, flags=re.M)
    if "```python" in section
}
SERVE = """
import wsgiref.simple_server, sys, app
server = wsgiref.simple_server.make_server("127.0.0.1", 0, app.app)
print(f"http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
server.serve_forever()
"""


def code(section: str, language: str) -> str | None:
    found = re.findall(rf"^```{language}\n(.*?)^```$", section, re.M | re.S)
    assert len(found) <= 1
    return found[0] if found else None


def test_there_is_a_program_for_each_adapter() -> None:
    assert list(SECTIONS) == ["flask", "fastapi", "django", "starlette", "asgi", "wsgi"]


@pytest.mark.parametrize("name", SECTIONS)
def test_a_program_takes_a_delivery(name: str, tmp_path: Path) -> None:
    program, command = code(SECTIONS[name], "python"), code(SECTIONS[name], "sh")
    assert program
    (tmp_path / "app.py").write_text(program, encoding="utf-8")
    words = ["-m", *command.split(), "--port", "0"] if command else ["-c", SERVE]
    secret = "E_AI_K_docs"
    environment = {**os.environ, "EXTRACTA_WEBHOOK_SECRET": secret, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(
        [sys.executable, *words],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr
        lines = iter(server.stderr.readline, "")
        base = next(found[0] for line in lines if (found := re.findall(r"http://\S+:\d+", line)))
        url = f"{base}/webhooks/extracta"
        event = deliver(url, secret)
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(url, b"{}", timeout=20)
        refused.value.close()
    finally:
        server.terminate()
        said, _ = server.communicate(timeout=20)
    assert f"{event.event} {event.dedupe_keys}" in said.splitlines()


def deliver(url: str, secret: str) -> WebhookEvent:
    with (
        Emulator(webhook_url=url, webhook_secret=secret) as emulator,
        Client(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        template = client.extractions.create("Invoices", fields=[{"key": "total"}])
        client.extractions.upload(template.extraction_id, ("a.pdf", b"%PDF"))
        (delivery,) = emulator.wait_for_deliveries(1)
    assert delivery.status == 204
    return unwrap(delivery.body, delivery.signature, secret)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_program_does_not_start_without_a_secret(name: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(code(SECTIONS[name], "python") or "", encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if "EXTRACTA" not in key}
    ran = subprocess.run(
        [sys.executable, "-c", "import app"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "EXTRACTA_WEBHOOK_SECRET" in ran.stderr.splitlines()[-1]


PUBLIC = {
    f"{name}.{public}": getattr(importlib.import_module(f"extracta_rs.{name}"), public)
    for name in SECTIONS
    for public in importlib.import_module(f"extracta_rs.{name}").__all__
}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_docstring_fits_and_its_example_runs(name: str) -> None:
    doc = inspect.getdoc(PUBLIC[name]) or ""
    assert set(re.findall(r"^    (\w+): ", doc, re.M)) - {"ConfigurationError"} == {
        parameter for parameter in inspect.signature(PUBLIC[name]).parameters if parameter != "self"
    }
    example = code(doc, "python")
    assert example
    exec(compile(example, name, "exec"), {"__name__": "example"})


def test_the_page_says_what_the_code_does() -> None:
    assert _common.DEFAULT_PATH == "/webhooks/extracta"
    assert _common.DEFAULT_MAX_BODY_SIZE == 10_000_000
    assert f"bodies of {_common.LARGE // 1024} KiB and more" in PAGE
