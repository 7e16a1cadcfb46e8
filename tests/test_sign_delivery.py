"""`testing.sign_delivery`: deliveries for test clients, as the service would send them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import flask
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from extracta_rs import (
    SIGNATURE_HEADER,
    BatchResults,
    Client,
    FileResult,
    explain_signature,
    sign,
    unwrap,
    verify_signature,
)
from extracta_rs.testing import Emulator, SignedDelivery, sign_delivery

if TYPE_CHECKING:
    from extracta_rs.testing import Generation

SECRET = "E_AI_K_delivery-sécret"
FILE = {"fileName": "a.pdf", "result": {"total": "9.50", "paid": True, "lines": [1.0, 1e21]}}


def opened(delivery: SignedDelivery) -> Any:
    return unwrap(delivery.body, delivery.headers[SIGNATURE_HEADER], SECRET)


@pytest.fixture
def results(extracta_client: Client, extraction_id: str) -> BatchResults:
    files = [("a.pdf", b"%PDF a"), ("b.pdf", b"%PDF b")]
    return extracta_client.extractions.run(extraction_id, files)


def test_results_become_what_the_emulator_would_deliver(app: Any) -> None:
    with Emulator(webhook_url=app.url, webhook_secret=app.secret) as emulator:
        client = Client(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0)
        with client:
            fields = [{"key": "total", "description": "the total"}]
            extraction_id = client.extractions.create("Invoices", fields=fields).extraction_id
            results = client.extractions.run(extraction_id, ("ä.pdf", b"%PDF"))
        [sent] = emulator.wait_for_deliveries(1)
    made = sign_delivery(results, app.secret)
    assert unwrap(*made_of(made), app.secret).to_dict() == sent.json()
    assert [name.lower() for name in made.headers] == ["content-type", SIGNATURE_HEADER]


def made_of(delivery: SignedDelivery) -> tuple[bytes, str]:
    return delivery.body, delivery.headers[SIGNATURE_HEADER]


def test_the_body_is_written_as_node_writes_it() -> None:
    body, headers = sign_delivery({**FILE, "7": "first", "half": "\ud83d"}, SECRET)
    assert b'[{"7":"first",' in body
    assert b'"lines":[1,1e+21]' in body
    assert rb'"half":"\ud83d"' in body
    report = explain_signature(body, headers[SIGNATURE_HEADER], SECRET)
    assert (report.valid, report.matched) == (True, "raw")


@pytest.mark.parametrize(
    ("generation", "start", "event"),
    [
        ("current", b'{"event":"extraction.processed","result":[{', "extraction.processed"),
        ("legacy", b'{"result":[{', None),
        ("legacy-list", b"[{", None),
    ],
)
def test_generations(generation: Generation, start: bytes, event: str | None) -> None:
    delivery = sign_delivery(FILE, SECRET, generation=generation)
    assert delivery.body.startswith(start)
    unwrapped = opened(delivery)
    assert unwrapped.event == event
    assert unwrapped.event_consistent
    assert unwrapped.files[0].result["total"] == "9.50"


def test_what_a_file_lacks_is_filled_in_and_nothing_else_is_touched() -> None:
    [one, two] = opened(sign_delivery([FILE, {**FILE, "error": "unreadable"}], SECRET)).files
    assert one.file_id != two.file_id
    assert (one.batch_id, one.extraction_id) == (two.batch_id, two.extraction_id)
    assert None not in (one.batch_id, one.extraction_id, one.url)
    assert (one.status, two.status) == ("processed", "failed")
    again = sign_delivery([FILE, {**FILE, "error": "unreadable"}], SECRET)
    assert [file.file_id for file in opened(again).files] == [one.file_id, two.file_id]
    ids = {"extractionId": "-e", "batchId": "-b", "fileId": "-f"}
    said = {"fileName": "x", "new": None, "status": "processing", "url": "", "result": {}}
    own: dict[str, Any] = {**ids, **said}
    assert opened(sign_delivery(FileResult(own), SECRET)).to_dict()["result"] == [own]


def test_files_of_results_name_their_batch(results: BatchResults) -> None:
    for given in (results, results.to_dict()):
        files = opened(sign_delivery(given, SECRET)).files
        assert {file.batch_id for file in files} == {results.batch_id}
        assert {file.extraction_id for file in files} == {results.extraction_id}
    assert [file.file_name for file in opened(sign_delivery(iter(results), SECRET)).files] == [
        "a.pdf",
        "b.pdf",
    ]


@pytest.mark.parametrize(
    ("files", "event"),
    [
        ([FILE], "extraction.processed"),
        ([{"error": "unreadable"}], "extraction.failed"),
        ([{"error": "unreadable"}, FILE], "extraction.processed"),
        ([{"result": {"confidence": 0.9, "documentType": "cv"}}], "classification.processed"),
        ([], "extraction.processed"),
    ],
)
def test_the_event_follows_from_the_files(files: list[dict[str, Any]], event: str) -> None:
    unwrapped = opened(sign_delivery(files, SECRET))
    assert unwrapped.event == event
    assert unwrapped.event_consistent


def test_the_event_may_be_any() -> None:
    assert opened(sign_delivery(FILE, SECRET, event="extraction.confirmed")).action == "confirmed"


def test_mistakes_are_refused() -> None:
    with pytest.raises(ValueError, match="no event"):
        sign_delivery(FILE, SECRET, event="extraction.edited", generation="legacy")
    with pytest.raises(ValueError, match="current, legacy or legacy-list"):
        sign_delivery(FILE, SECRET, generation="old")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="secret"):
        sign_delivery(FILE, "E_AI_K_")
    for wrong in ("a.pdf", b"{}", 3, [3], ["a.pdf"]):
        with pytest.raises(TypeError, match="files"):
            sign_delivery(wrong, SECRET)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="JSON"):
        sign_delivery({"result": {"when": object()}}, SECRET)
    with pytest.raises(ValueError, match="JSON"):
        sign_delivery({"result": {"total": float("nan")}}, SECRET)


def test_the_signature_is_not_shown() -> None:
    delivery = sign_delivery(FILE, SECRET)
    assert delivery.headers[SIGNATURE_HEADER] not in repr(delivery)
    assert delivery.headers[SIGNATURE_HEADER] == sign(delivery.body, SECRET)


def test_flask() -> None:
    app = flask.Flask("app")

    @app.post("/hook")
    def hook() -> tuple[str, int]:
        request = flask.request
        known = (
            verify_signature(request.get_data(), request.headers.get(SIGNATURE_HEADER), SECRET)
            and request.is_json
        )
        return "", 204 if known else 401

    client = app.test_client()
    body, headers = sign_delivery(FILE, SECRET)
    assert client.post("/hook", data=body, headers=headers).status_code == 204
    body, headers = sign_delivery(FILE, "E_AI_K_other")
    assert client.post("/hook", data=body, headers=headers).status_code == 401


def test_fastapi() -> None:
    app = FastAPI()

    @app.post("/hook")
    async def hook(request: Request) -> Response:
        body, header = await request.body(), request.headers.get(SIGNATURE_HEADER)
        return Response(status_code=204 if verify_signature(body, header, SECRET) else 401)

    client = TestClient(app)
    body, headers = sign_delivery(FILE, SECRET)
    assert client.post("/hook", content=body, headers=headers).status_code == 204


DJANGO = """
    import django
    from django.conf import settings
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
    django.setup()
    from django.http import HttpResponse
    from django.test import Client
    from django.urls import path
    from extracta_rs import SIGNATURE_HEADER, verify_signature
    from extracta_rs.testing import sign_delivery

    def hook(request):
        header = request.headers.get(SIGNATURE_HEADER)
        good = verify_signature(request.body, header, "E_AI_K_django")
        return HttpResponse(status=204 if good else 401)

    urlpatterns = [path("hook", hook)]
    body, headers = sign_delivery({"result": {"total": "1"}}, "E_AI_K_django")
    answer = Client().post("/hook", body, content_type="application/json", headers=headers)
    print(answer.status_code)
"""


def test_django() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(DJANGO)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "204\n"
