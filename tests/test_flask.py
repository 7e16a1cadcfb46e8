"""A real Flask server, and the deliveries that it takes and refuses."""

from __future__ import annotations

import json
import logging
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from extracta_rs import Client
from extracta_rs.testing import Emulator
from extracta_rs.webhooks import SIGNATURE_HEADER, sign, unwrap

ROOT = Path(__file__).parent.parent
EXAMPLE = (ROOT / "examples/flask_app.py").read_text("utf-8")
README = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
PROGRAMS = [EXAMPLE, *(program for program in README if "from flask" in program)]
SECRET = "E_AI_K_flask-säcret"
BODY = b'{"event":"extraction.processed","result":[{"fileId":"f","result":{"total":1.5}}]}'


@dataclass
class Site:
    url: str
    log: pytest.LogCaptureFixture

    def post(self, body: bytes, headers: dict[str, str]) -> int:
        headers = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(self.url, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def accepted(self) -> list[str]:
        return [record.getMessage() for record in self.log.records if record.name == "flask_app"]


@pytest.fixture(params=PROGRAMS, ids=["example", "readme"])
def site(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Site]:
    """The program, served on a port of its own."""
    monkeypatch.setenv("EXTRACTA_WEBHOOK_SECRET", SECRET)
    caplog.set_level(logging.INFO, "flask_app")
    program: dict[str, Any] = {"__name__": "flask_app"}
    exec(compile(request.param, "flask_app.py", "exec"), program)
    server = make_server("127.0.0.1", 0, program["app"], threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield Site(f"http://127.0.0.1:{server.server_port}/webhooks/extracta", caplog)
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_signed_delivery_is_accepted(site: Site) -> None:
    assert site.post(BODY, {SIGNATURE_HEADER: sign(BODY, SECRET)}) == 204
    (key,) = unwrap(BODY, sign(BODY, SECRET), SECRET).dedupe_keys
    assert site.accepted() == [f"extraction.processed: ['{key}']"]


def test_a_delivery_that_a_proxy_wrote_anew_is_accepted(site: Site) -> None:
    spaced = json.dumps(json.loads(BODY), indent=2).encode()
    assert site.post(spaced, {"X-Webhook-Signature": f" {sign(BODY, SECRET)} "}) == 204


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, {}),
        (BODY, {SIGNATURE_HEADER: ""}),
        (BODY, {SIGNATURE_HEADER: "forged"}),
        (BODY, {SIGNATURE_HEADER: sign(BODY, "another secret")}),
        (BODY.replace(b"1.5", b"9.5"), {SIGNATURE_HEADER: sign(BODY, SECRET)}),
        (b"", {SIGNATURE_HEADER: sign(BODY, SECRET)}),
        (b"event=x", {SIGNATURE_HEADER: sign(BODY, SECRET)}),
    ],
    ids=["missing", "empty", "not base64", "another secret", "changed", "no body", "not JSON"],
)
def test_a_forged_delivery_is_refused(site: Site, body: bytes, headers: dict[str, str]) -> None:
    assert site.post(body, headers) == 401
    assert site.accepted() == []


@pytest.mark.parametrize("legacy", [False, True])
def test_the_deliveries_of_an_upload_are_accepted(site: Site, legacy: bool) -> None:
    options: dict[str, Any] = {"webhook_url": site.url, "legacy_webhook": legacy}
    results: dict[str, dict[str, Any]] = {
        "a.pdf": {"total": "1.5"},
        "ü.pdf": {"2": "€ \u2028", "1": 1.0},
    }
    with (
        Emulator(webhook_secret=SECRET, results=results, **options) as emulator,
        Client(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        template = client.extractions.create("Invoices", fields=[{"key": "total"}])
        files = [("a.pdf", b"%PDF-a"), ("ü.pdf", b"%PDF-b")]
        batch = client.extractions.upload(template.extraction_id, files)
        (delivery,) = emulator.wait_for_deliveries(1)
    assert delivery.status == 204
    event = unwrap(delivery.body, delivery.signature, SECRET)
    assert {file.batch_id for file in event.files} == {batch.batch_id}
    assert {file.file_name: file.result for file in event.files} == results
    assert event.event_consistent
    named = None if legacy else "extraction.processed"
    assert site.accepted() == [f"{named}: {event.dedupe_keys}"]


def test_an_emulator_with_another_secret_is_refused(site: Site) -> None:
    with (
        Emulator(webhook_url=site.url, webhook_secret="E_AI_K_old") as emulator,
        Client(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        template = client.extractions.create("Invoices", fields=[{"key": "total"}])
        client.extractions.upload(template.extraction_id, ("a.pdf", b"%PDF"))
        assert emulator.wait_for_deliveries(1)[0].status == 401
    assert site.accepted() == []
