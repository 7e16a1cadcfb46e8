"""What each adapter hands over, and what it refuses."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from extracta_rs import SIGNATURE_HEADER, Client, sign
from extracta_rs.testing import Emulator

SECRET = "E_AI_K_adäpters"
FILE = {"fileId": "f", "status": "processed", "result": {"total": 1.0}}


def body_of(*files: Any, event: Any = "extraction.processed") -> bytes:
    return json.dumps({"event": event, "result": list(files)}, separators=(",", ":")).encode()


BODY = b'{"event":"extraction.processed","result":[{"fileId":"f","result":{"total":1.5}}]}'
GOOD = f"{SIGNATURE_HEADER}: {sign(BODY, SECRET)}"


@pytest.mark.parametrize("legacy", [False, True], ids=["current", "legacy"])
def test_an_uploads_delivery_is_handed_over_once(site: Any, legacy: bool) -> None:
    results: dict[str, dict[str, Any]] = {"ü.pdf": {"2": "€ \u2028", "1": 1.0}}
    with (
        Emulator(
            webhook_url=site.url, webhook_secret=SECRET, results=results, legacy_webhook=legacy
        ) as emulator,
        Client(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        template = client.extractions.create("Invoices", fields=[{"key": "total"}])
        batch = client.extractions.upload(template.extraction_id, ("ü.pdf", b"%PDF"))
        (delivery,) = emulator.wait_for_deliveries(1)
    assert delivery.status == 204
    (event,) = site.events
    assert event.event == (None if legacy else "extraction.processed")
    assert [(file.batch_id, file.result) for file in event.files] == [
        (batch.batch_id, results["ü.pdf"])
    ]
    assert event.raw == delivery.body
    assert site.bodies == [delivery.body], "the body can be read once more"


def test_a_body_that_a_proxy_wrote_anew(site: Any) -> None:
    spaced = json.dumps(json.loads(BODY), indent=2).encode()
    assert site.post(spaced, f"X-Webhook-Signature:  {sign(BODY, SECRET)} ").status == 204
    assert [event.raw for event in site.events] == [spaced]


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_content_type_of_something_else(site: Any, content_type: str) -> None:
    assert site.post(BODY, GOOD, f"Content-Type: {content_type}").status == 204
    assert site.bodies == [BODY]


def test_each_secret_of_a_rotation(site: Any) -> None:
    for secret in ("E_AI_K_the next one", SECRET):
        assert site.deliver(BODY, secret).status == 204
    assert site.deliver(BODY, "E_AI_K_a former one").status == 401
    assert len(site.events) == 2


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (BODY, [], "missing_header"),
        (BODY, [f"{SIGNATURE_HEADER}: "], "missing_header"),
        (BODY, [f"{SIGNATURE_HEADER}: forged!"], "not_base64"),
        (BODY, [f"{SIGNATURE_HEADER}: AAAA"], "wrong_length"),
        (BODY, [f"{SIGNATURE_HEADER}: {sign(BODY, 'another')}"], "mismatch"),
        (BODY.replace(b"1.5", b"9.5"), [GOOD], "mismatch"),
        (BODY, [GOOD, f"{SIGNATURE_HEADER}: forged"], "not_base64"),
        (BODY, [f"{SIGNATURE_HEADER}: forged", GOOD], "not_base64"),
        (BODY, [f"{SIGNATURE_HEADER}: \N{EURO SIGN}"], "not_base64"),
        (b"", [GOOD], "malformed_body"),
        (b"event=x", [GOOD], "malformed_body"),
        (b"\xff\xfe", [GOOD], "malformed_body"),
        (b"{}", [GOOD], "no_result"),
    ],
    ids=[
        *("missing", "empty", "not base64", "short", "another secret", "changed"),
        *("two headers", "two headers, the good one last", "not ASCII"),
        *("no body", "a form", "not UTF-8", "no result"),
    ],
)
def test_a_forged_delivery_is_refused(
    site: Any, body: bytes, headers: list[str], reason: str
) -> None:
    answer = site.post(body, *headers)
    assert (answer.status, answer.json()) == (401, {"error": "signature", "reason": reason})
    assert sign(BODY, SECRET) not in str(answer)
    assert site.events == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"result":{"a":1}}', "`result` is an object, not a list of files"),
        (b'{"result":null}', "`result` is null, not a list of files"),
        (b'{"result":[1]}', "`result` has a number among its files"),
        (b'{"event":5,"result":[]}', "`event` is a number, not a string"),
    ],
)
def test_a_signed_body_of_another_shape(site: Any, body: bytes, reason: str) -> None:
    answer = site.deliver(body)
    assert (answer.status, answer.json()) == (400, {"error": "payload", "reason": reason})
    assert site.events == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.parametrize("headers", [[], [GOOD]], ids=["unsigned", "signed"])
def test_another_method_is_refused(site: Any, method: str, headers: list[str]) -> None:
    body = BODY if method == "PUT" else b""
    answer = site.post(body, *headers, method=method)
    assert (answer.status, site.events) == (405, [])
    if site.kind == "flask-blueprint":  # Flask's own answer
        assert set(answer.headers["allow"].split(", ")) == {"POST", "OPTIONS"}
        return
    assert answer.headers["allow"] == "POST"
    if method != "HEAD":
        assert answer.json() == {"error": "method"}


def test_what_the_handler_raises_is_the_frameworks_business(
    site: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # Servers that know no framework write what failed to standard error.
    with caplog.at_level(logging.CRITICAL):
        assert site.deliver(body_of({**FILE, "fileId": "explode"})).status == 500
    assert len(site.events) == 1
    assert site.deliver(body_of(FILE)).status == 204


def test_a_file_whose_values_have_other_types(site: Any) -> None:
    values = ["null", "true", "1e400", "-0.0", "9" * 5000, r'"\ud800"', "[]", '{"a":[]}']
    values.append("[" * 5000 + "]" * 5000)
    keys = ("fileId", "fileName", "status", "result", "url", "error", "extraction", "batchId")
    for value in values:
        file = ",".join(f'"{key}":{value}' for key in keys)
        assert site.deliver(f'{{"result":[{{{file}}}]}}'.encode()).status == 204, value[:20]
    assert len(site.events) == len(values)
