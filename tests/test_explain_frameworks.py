"""What `explain_signature` finds: each mistake made in a real framework, or by a real signer."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gzip
import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import flask
import pytest
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import Response
from werkzeug.serving import make_server

from extracta_rs import Client, SignatureReport, explain_signature
from extracta_rs.testing import Delivery, Emulator
from extracta_rs.webhooks import SIGNATURE_HEADER, SignatureReason

KEY = "säcret-0123456789abcdef"
SECRET = f"E_AI_K_{KEY}"
INVOICE = {"total": 1.5, "iban": None, "paid": True, "note": 'it\'s "€ 5"\n', "city": "Zürich"}
RESULTS: dict[str, dict[str, Any]] = {"Müller.pdf": INVOICE}
REASONS = get_args(SignatureReason)
PROVED = REASONS[REASONS.index("hex_signature") : REASONS.index("looks_hex")]


def deliver(url: str) -> Delivery:
    """Upload to an emulator that sends its webhook to `url`."""
    with (
        Emulator(webhook_url=url, webhook_secret=SECRET, results=RESULTS) as emulator,
        Client(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        template = client.extractions.create("Invoices", fields=[{"key": "total"}])
        client.extractions.upload(template.extraction_id, ("Müller.pdf", b"%PDF"))
        (delivery,) = emulator.wait_for_deliveries(1)
    assert delivery.status == 204, delivery
    return delivery


@pytest.fixture(scope="module")
def delivery() -> Delivery:
    """What the emulator sends."""
    with flask_site(lambda request: request.get_data()) as (url, _):
        return deliver(url)


def check(report: SignatureReport, reason: str, delivery: Delivery, matched: str | None) -> None:
    assert (report.reason, report.matched) == (reason, matched), report
    assert report.valid is (matched is not None)
    assert (report.secret_index == 0) is (report.valid or reason in PROVED)
    assert report.hint.endswith(".")
    assert_hidden(report, delivery.signature)


def assert_hidden(report: SignatureReport, header: str) -> None:
    raw = base64.b64decode(header)
    shown = repr(report) + str(report) + json.dumps(dataclasses.asdict(report), ensure_ascii=False)
    for secret in (KEY, KEY.encode().hex(), header, header.rstrip("="), raw.hex(), repr(raw)[2:-1]):
        assert secret.lower() not in shown.lower()


@contextlib.contextmanager
def flask_site(
    take: Callable[[flask.Request], Any],
    header: Callable[[flask.Request], Any] = lambda request: request.headers[SIGNATURE_HEADER],
) -> Iterator[tuple[str, list[SignatureReport]]]:
    """Run a Flask server that explains what `take` makes of each request."""
    app = flask.Flask("site")
    reports: list[SignatureReport] = []

    @app.post("/")
    def webhook() -> tuple[str, int]:
        body = take(flask.request)
        reports.append(explain_signature(body, header(flask.request), SECRET))
        return "", 204

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", reports
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def stored(text: str, encoding: str, directory: Path) -> bytes:
    path = directory / "body.json"
    path.write_text(text, encoding=encoding)
    return path.read_bytes()


def enveloped(request: flask.Request, **more: object) -> str:
    """Write a request as AWS API Gateway passes it to a Lambda."""
    return json.dumps({"httpMethod": "POST", "path": "/", "headers": {}, **more})


FLASK: dict[str, tuple[Callable[[flask.Request], Any], str, str | None]] = {
    "get_data": (lambda r: r.get_data(), "valid", "raw"),
    "as text": (lambda r: r.get_data(as_text=True), "valid", "raw"),
    "json.dumps": (lambda r: json.dumps(r.get_json()), "valid", "canonical"),
    "indented": (lambda r: json.dumps(r.json, indent=2), "valid", "canonical"),
    "jsonify": (lambda r: flask.jsonify(r.get_json()).get_data(), "looks_sorted", None),
    "latin-1": (lambda r: r.data.decode("latin-1"), "decoded_as_latin1", None),
    "cp1252, parsed": (
        lambda r: json.dumps(json.loads(r.data.decode("cp1252"))), "decoded_as_latin1", None,
    ),
    "latin-1, changed": (
        lambda r: r.data.decode("latin-1").replace("1.5", "1.50"), "decoded_as_latin1", None,
    ),
    "latin-1, converted": (
        lambda r: r.data.decode("latin-1").replace("1.5", '"1.5"'), "looks_wrong_charset", None,
    ),
    "latin-1 twice": (
        lambda r: r.data.decode("latin-1").encode().decode("latin-1"), "decoded_as_latin1", None,
    ),
    "replace": (lambda r: r.data.decode("ascii", "replace"), "looks_replaced", None),
    "surrogates": (lambda r: r.data.decode("ascii", "surrogateescape"), "malformed_body", None),
    "str of dict": (lambda r: str(r.json), "python_dict", None),
    "str of a changed dict": (lambda r: str({**r.json, "result": [{}]}), "looks_python_dict", None),
    "str of bytes": (lambda r: str(r.data), "python_bytes", None),
    "dumped twice": (lambda r: json.dumps(json.dumps(r.json)), "json_twice", None),
    "text in jsonify": (
        lambda r: flask.jsonify(r.get_data(as_text=True)).get_data(), "json_twice", None,
    ),
    "result dumped": (
        lambda r: json.dumps({"event": "a.b", "result": json.dumps(r.json["result"])}),
        "json_twice", None,
    ),
    "read before": (lambda r: (r.get_json(cache=False), r.get_data())[1], "empty_body", None),
    "form": (lambda r: json.dumps(r.form), "no_result", None),
    "part": (lambda r: json.dumps(r.json["result"][0]["result"]), "no_result", None),
    "other value": (lambda r: r.get_data().replace(b"1.5", b"1.50001"), "mismatch", None),
    "gateway": (lambda r: enveloped(r, body=r.get_data(as_text=True)), "wrapped_body", None),
    "gateway, base64": (
        lambda r: enveloped(r, body=base64.b64encode(r.data).decode(), isBase64Encoded=True),
        "wrapped_body", None,
    ),
    "queue": (lambda r: json.dumps({"Records": [{"id": 1, "body": r.json}]}), "wrapped_body", None),
    "base64": (lambda r: base64.b64encode(r.data), "base64_body", None),
    "lines of base64": (lambda r: base64.encodebytes(r.data), "base64_body", None),
    "cut": (lambda r: r.get_data()[:-3], "malformed_body", None),
}  # fmt: skip


@pytest.mark.parametrize("name", FLASK)
def test_what_a_flask_app_does(name: str) -> None:
    take, reason, matched = FLASK[name]
    with flask_site(take) as (url, reports):
        delivery = deliver(url)
    (report,) = reports
    check(report, reason, delivery, matched)


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        ("utf-8", "valid"),
        ("utf-8-sig", "byte_order_mark"),
        ("cp1252", "encoded_as_latin1"),
        ("utf-16", "encoded_as_utf16"),
        ("utf-16-be", "encoded_as_utf16"),
    ],
)
def test_a_flask_app_that_stores_the_body_first(tmp_path: Path, encoding: str, reason: str) -> None:
    with flask_site(lambda r: stored(r.get_data(as_text=True), encoding, tmp_path)) as (
        url,
        reports,
    ):
        delivery = deliver(url)
    check(reports[0], reason, delivery, "raw" if reason == "valid" else None)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (lambda r: r.headers.get("x-signature"), "missing_header"),
        (lambda r: r.headers.get("host"), "not_base64"),
        (lambda r: r.headers[SIGNATURE_HEADER][:40], "wrong_length"),
        (lambda r: r.headers[SIGNATURE_HEADER][:43], "base64_variant"),
        (lambda r: json.dumps(r.headers[SIGNATURE_HEADER]), "dressed_header"),
        (
            lambda r: f"{r.headers[SIGNATURE_HEADER]},{r.headers[SIGNATURE_HEADER]}",
            "dressed_header",
        ),
    ],
    ids=["another name", "another header", "cut", "no padding", "quoted", "joined"],
)
def test_what_a_flask_app_does_to_the_header(header: Any, reason: str) -> None:
    with flask_site(lambda r: r.get_data(), header) as (url, reports):
        delivery = deliver(url)
    check(reports[0], reason, delivery, None)


def test_flask_does_not_decompress(delivery: Delivery) -> None:
    with flask_site(lambda r: r.get_data()) as (url, reports):
        headers = {SIGNATURE_HEADER: delivery.signature, "Content-Encoding": "gzip"}
        request = urllib.request.Request(url, gzip.compress(delivery.body), headers)
        with urllib.request.urlopen(request, timeout=20):
            pass
    check(reports[0], "looks_compressed", delivery, None)


class File(BaseModel):
    fileId: str  # noqa: N815
    fileName: str  # noqa: N815


class Payload(BaseModel):
    event: str
    result: list[File]


async def body_of(request: Request) -> bytes:
    return await request.body()


async def dumped(request: Request) -> str:
    return json.dumps(await request.json())


async def modelled(request: Request) -> str:
    return Payload.model_validate_json(await request.body()).model_dump_json()


async def as_str(request: Request) -> str:
    return str(await request.json())


def bytes_header(request: Request) -> str:
    return str(dict(request.scope["headers"])[SIGNATURE_HEADER.encode()])


def header_of(request: Request) -> str | None:
    return request.headers.get(SIGNATURE_HEADER)


@pytest.mark.parametrize(
    ("take", "header", "reason", "matched"),
    [
        (body_of, header_of, "valid", "raw"),
        (dumped, header_of, "valid", "canonical"),
        (modelled, header_of, "mismatch", None),
        (as_str, header_of, "python_dict", None),
        (body_of, bytes_header, "dressed_header", None),
    ],
    ids=["body", "json.dumps", "pydantic", "str", "header in bytes"],
)
def test_what_a_fastapi_app_does(take: Any, header: Any, reason: str, matched: str | None) -> None:
    app = FastAPI()
    reports = []

    @app.post("/")
    async def webhook(request: Request) -> Response:
        reports.append(explain_signature(await take(request), header(request), SECRET))
        return Response(status_code=204)

    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            delivery = deliver(f"http://127.0.0.1:{listener.getsockname()[1]}/")
        finally:
            server.should_exit = True
            thread.join()
    check(reports[0], reason, delivery, matched)


DJANGO = {
    "body": ("valid", "raw"),
    "JsonResponse": ("valid", "canonical"),
    "POST": ("empty_body", None),
    "dict": ("no_result", None),
    "str": ("python_bytes", None),
}


def test_what_a_django_project_does(
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[..., subprocess.Popen[str]],
    end: Callable[..., str],
) -> None:
    monkeypatch.setenv("EXTRACTA_WEBHOOK_SECRET", SECRET)
    with start("django_site.py", len(DJANGO)) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        deliveries = [deliver(f"http://127.0.0.1:{port}/{name}") for name in DJANGO]
        lines = end(process).splitlines()
    assert len(lines) == len(DJANGO)
    for line, delivery, (reason, matched) in zip(lines, deliveries, DJANGO.values(), strict=True):
        check(SignatureReport(**json.loads(line)), reason, delivery, matched)


SIGNERS = {
    "right": ('mac(key, result).digest("base64")', "valid"),
    "hex": ('mac(key, result).digest("hex")', "hex_signature"),
    "HEX": ('mac(key, result).digest("hex").toUpperCase()', "hex_signature"),
    "GitHub": ('"sha256=" + mac(key, result).digest("hex")', "hex_signature"),
    "hex in base64": ('btoa(mac(key, result).digest("hex"))', "hex_signature"),
    "base64url": ('mac(key, result).digest("base64url")', "base64_variant"),
    "whole body": ('mac(key, body).digest("base64")', "whole_body_signed"),
    "whole, parsed": ('mac(key, JSON.stringify(parsed)).digest("base64")', "whole_body_signed"),
    "whole, hex": ('mac(key, body).digest("hex")', "whole_body_signed"),
    "prefix": ('mac(secret, result).digest("base64")', "prefix_kept"),
    "line end": (r'mac(key + "\n", result).digest("base64")', "signer_secret_not_stripped"),
    "SHA-1": ('createHmac("sha1", key).update(result).digest("base64")', "wrong_length"),
    "another secret": ('mac("other", result).digest("base64")', "mismatch"),
    "another, hex": ('mac("other", result).digest("hex")', "looks_hex"),
}
NODE = """
const { createHmac } = require("node:crypto");
const mac = (key, message) => createHmac("sha256", key).update(message);
const body = require("node:fs").readFileSync(0);
const secret = process.env.EXTRACTA_WEBHOOK_SECRET, key = secret.replace("E_AI_K_", "");
const parsed = JSON.parse(body), result = JSON.stringify(parsed.result);
process.stdout.write(%s);
"""


@pytest.mark.parametrize("name", SIGNERS)
def test_what_a_signer_in_node_does(
    name: str, delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("node") is None:
        pytest.skip("`node` is not installed, so no signer runs in it")
    monkeypatch.setenv("EXTRACTA_WEBHOOK_SECRET", SECRET)
    program, reason = SIGNERS[name]
    node = ["node", "-e", NODE % program]
    signed = subprocess.run(node, input=delivery.body, capture_output=True, check=True)
    body = delivery.body.replace(b'","', b'", "') if name == "whole, parsed" else delivery.body
    report = explain_signature(body, signed.stdout, SECRET)
    check(report, reason, delivery, "raw" if reason == "valid" else None)
    if name == "whole, hex":
        assert "hex digits" in report.hint


@pytest.mark.parametrize(
    "line", [f"{SECRET}\n", f'"{SECRET}"', f"'{KEY}' ", f" {KEY}", f"{SECRET}\r\n"]
)
def test_a_secret_from_a_file_that_is_not_stripped(
    line: str, delivery: Delivery, tmp_path: Path
) -> None:
    path = tmp_path / "secret"
    path.write_text(line, encoding="utf-8", newline="")
    for secret in (path.read_bytes(), path.read_bytes().decode()):
        report = explain_signature(delivery.body, delivery.signature, ["old", secret])
        assert (report.reason, report.secret_index) == ("secret_not_stripped", 1)
        assert_hidden(report, delivery.signature)


def test_every_reason_is_documented_and_reproduced_here() -> None:
    text = (Path(__file__).parent.parent / "docs/explain.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert [row for row in rows if row != "reason"] == list(REASONS)
    documented = str(SignatureReport.__doc__)
    assert [reason for reason in REASONS if f'"{reason}"' not in documented] == []
    here = Path(__file__).read_text("utf-8").partition("def check(")[2]
    assert [reason for reason in REASONS if f'"{reason}"' not in here] == []
