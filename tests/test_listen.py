"""`extracta-rs listen` as a developer runs it: deliveries come, are checked, shown, passed on."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sysconfig
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extracta_rs import SIGNATURE_HEADER, Client, sign
from extracta_rs._cli import _deliveries, _endpoint, _http
from extracta_rs._cli._deliveries import Deliveries
from extracta_rs._cli._delivery import detail, read, summary
from extracta_rs._cli._endpoint import Endpoint, end_to_end
from extracta_rs._cli._http import Handler, LoopbackServer
from extracta_rs._cli._listen_view import plain
from extracta_rs._cli._pretty import pretty
from extracta_rs.testing import Emulator

COMMAND = Path(sysconfig.get_path("scripts")) / "extracta-rs"
SECRET = "E_AI_K_listen-säcret"
BODY = (
    b'{"event":"extraction.processed","result":[{"extractionId":"-Oe","batchId":"-Ob",'
    b'"fileId":"-Of","fileName":"a.pdf","status":"processed","result":{"total":1.5}}]}'
)
LEGACY = b'{"result":[{"batchId":"-Ob","fileId":"-Of","status":"failed","error":"no text"}]}'


@pytest.mark.parametrize("legacy", [False, True])
def test_the_service_s_deliveries_reach_the_app_and_are_told(
    legacy: bool, app: Any, listen: Any
) -> None:
    listening = listen("--forward-to", app.url, as_json=False)
    with (
        Emulator(
            webhook_url=f"{listening.url}hooks", webhook_secret=SECRET, legacy_webhook=legacy
        ) as emulator,
        Client(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        template = client.extractions.create("Invoices", fields=[{"key": "total"}])
        files = [("a.pdf", b"%PDF-a"), ("ü.pdf", b"%PDF-b")]
        batch = client.extractions.upload(template.extraction_id, files)
        (delivery,) = emulator.wait_for_deliveries(1)
    assert delivery.status == 204
    ((body, headers),) = app.came
    assert body == delivery.body
    assert headers["X-Webhook-Signature"] == delivery.signature
    head = [listening.line() for _ in range(4)]
    assert any(app.url in line for line in head)
    line = listening.line()
    name = "legacy" if legacy else "extraction.processed"
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d  #1  {name}  2 files \(2 processed\)  batch {batch.batch_id}"
        r"  valid  app 204 in \d+ ms\n",
        line,
    )


def test_each_delivery_is_one_json_object(app: Any, listen: Any) -> None:
    listening = listen("--forward-to", app.url)
    assert listening.deliver(BODY, path="/any/path?x=1") == 204
    told = listening.told()
    assert told.pop("time").endswith("Z")
    (attempt,) = told.pop("attempts")
    assert attempt.pop("time").endswith("Z")
    assert attempt.pop("ms") >= 0
    assert attempt == {"replay": False, "status": 204, "error": None}
    assert told.pop("hint")
    assert told == {
        "type": "delivery", "id": 1, "path": "/any/path?x=1", "bytes": len(BODY),
        "event": "extraction.processed", "legacy": False, "event_consistent": True,
        "file_count": 1, "statuses": {"processed": 1}, "batch_ids": ["-Ob"],
        "files": [{
            "file_name": "a.pdf", "status": "processed", "error": None, "file_id": "-Of",
            "batch_id": "-Ob", "extraction_id": "-Oe", "classification_id": None,
        }],
        "valid": True, "matched": "raw", "secret_index": 0, "reason": "valid",
        "problem": None, "answered": 204,
    }  # fmt: skip
    listening.deliver(LEGACY)
    told = listening.told()
    assert (told["event"], told["legacy"], told["statuses"]) == (None, True, {"failed": 1})
    assert told["files"][0]["error"] == "no text"


def hex_of(signature: str) -> str:
    return base64.b64decode(signature).hex()


@pytest.mark.parametrize(
    ("body", "signature", "status", "reason", "hint"),
    [
        (BODY, None, 204, "valid", ""),
        (json.dumps(json.loads(BODY), indent=1).encode(), None, 204, "valid", ""),
        (BODY, "", 401, "missing_header", "no signature"),
        (BODY, hex_of(sign(BODY, SECRET)), 401, "hex_signature", "base64"),
        (BODY, sign(BODY, "another"), 401, "mismatch", "another secret"),
        (b"", sign(BODY, SECRET), 401, "empty_body", ""),
        (b"<html>", sign(BODY, SECRET), 401, "malformed_body", ""),
        (b'{"a": 1}', sign(BODY, SECRET), 401, "no_result", ""),
    ],
)
def test_without_an_app_it_answers_as_one_should(
    body: bytes, signature: str | None, status: int, reason: str, hint: str, listen: Any
) -> None:
    listening = listen()
    assert listening.deliver(body, signature) == status
    told = listening.told()
    assert (told["answered"], told["reason"], told["attempts"]) == (status, reason, [])
    assert told["valid"] == (status == 204)
    assert hint in told["hint"]


def test_a_signed_body_that_is_no_event_is_told(listen: Any) -> None:
    listening = listen()
    assert listening.deliver(b'{"event":"x.y","result":"nothing"}') == 400
    told = listening.told()
    assert told["valid"]
    assert told["problem"] == "`result` is a str, not a list of files"
    assert told["file_count"] is None


def test_an_event_that_does_not_fit_its_files_is_told(listen: Any) -> None:
    listening = listen(as_json=False)
    body = BODY.replace(b"extraction.processed", b"extraction.failed")
    assert listening.deliver(body, sign(BODY, SECRET)) == 204
    [listening.line() for _ in range(4)]
    assert "the event, which is not signed, does not fit the files" in listening.line()


def test_several_secrets_while_they_change(listen: Any) -> None:
    listening = listen(secret=f"E_AI_K_new {SECRET}")
    assert listening.deliver(BODY) == 204
    assert listening.told()["secret_index"] == 1
    assert listening.deliver(BODY, sign(BODY, "E_AI_K_new")) == 204
    assert listening.told()["secret_index"] == 0


def test_what_is_passed_on_is_what_came(raw_server: Any, listen: Any) -> None:
    raw_server.answer(b"", status="202 Accepted")
    listening = listen("--forward-to", f"{raw_server.url}/a b?c=ü")
    body = json.dumps(json.loads(BODY), indent=3).encode()
    headers = {
        "Content-Type": "application/json; charset=UTF-8",
        "X-Custom": "é".encode().decode("latin-1"),
        "Connection": "x-mine, close",
        "X-Mine": "for the next one only",
        "Proxy-Authorization": "Basic Zm9v",
        "Accept-Encoding": "br",
        "Content-Encoding": "identity",
    }
    assert listening.deliver(body, **headers) == 202
    (request,) = raw_server.requests
    head, _, sent = request.partition(b"\r\n\r\n")
    assert sent == body
    first, *lines = head.split(b"\r\n")
    assert first == b"POST /a%20b?c=%C3%BC HTTP/1.1"
    came = {name.lower(): value for name, value in (line.split(b": ", 1) for line in lines)}
    assert len(came) == len(lines)
    assert came == {
        b"host": raw_server.url[7:].encode(),
        b"content-type": b"application/json; charset=UTF-8",
        b"x-custom": "é".encode(),
        b"content-encoding": b"identity",
        SIGNATURE_HEADER.encode(): sign(body, SECRET).encode(),
        b"accept-encoding": b"identity",
        b"content-length": str(len(body)).encode(),
        b"connection": b"close",
    }


@pytest.mark.parametrize("status", [200, 302, 404, 418, 500])
def test_the_app_s_status_is_the_sender_s(status: int, raw_server: Any, listen: Any) -> None:
    raw_server.answer(b"said", "Location: http://127.0.0.1:1/", status=f"{status} X")
    listening = listen("--forward-to", raw_server.url)
    answered, headers, body = listening.ask(
        "POST", "/", BODY, {SIGNATURE_HEADER: sign(BODY, SECRET)}
    )
    assert (answered, body) == (status, b"")
    assert "Location" not in headers
    assert len(raw_server.requests) == 1
    told = listening.told()
    assert (told["answered"], told["attempts"][0]["status"]) == (status, status)


@pytest.mark.parametrize("app_is", ["not there", "no HTTP", "silent", "gone"])
def test_an_app_that_does_not_answer(app_is: str, raw_server: Any, listen: Any) -> None:
    replies: dict[str, Callable[[Any], object]] = {
        "no HTTP": lambda stream: stream.write(b"\0\0\0\0\n"),
        "silent": lambda stream: None,
        "gone": lambda stream: stream.write(b"HTTP/1.1 103 Early\r\n\r\n"),
    }
    raw_server.reply = replies.get(app_is)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    url = f"http://127.0.0.1:{port}/" if app_is == "not there" else raw_server.url
    listening = listen("--forward-to", url)
    assert listening.deliver(BODY) == 502
    told = listening.told()
    (attempt,) = told["attempts"]
    assert (told["valid"], attempt["status"]) == (True, None)
    assert "\n" not in attempt["error"]
    if app_is == "not there":
        assert attempt["error"] == f"nothing listens on 127.0.0.1:{port}"


def test_an_app_that_is_late(raw_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    raw_server.reply = lambda stream: release.wait(20)
    monkeypatch.setattr(_endpoint, "TIMEOUT", 0.1)
    answer = Endpoint(raw_server.url).post(b"{}", [])
    release.set()
    assert (answer.status, answer.passed_on) == (None, 504)
    assert answer.error
    assert answer.error.startswith("no answer within")


def test_an_app_that_drips_its_answer_has_answered(raw_server: Any) -> None:
    raw_server.answer(b"abc", length=100)  # the rest never comes
    answer = Endpoint(raw_server.url).post(b"{}", [])
    assert (answer.status, answer.text, answer.error) == (200, "abc", None)


def test_an_app_that_speaks_no_tls(app: Any) -> None:
    answer = Endpoint(app.url.replace("http", "https")).post(b"{}", [])
    assert (answer.status, answer.passed_on) == (None, 502)
    assert answer.error


def test_invalid_deliveries_are_passed_on_only_if_asked_for(app: Any, listen: Any) -> None:
    listening = listen("--forward-to", app.url)
    assert listening.deliver(BODY, sign(BODY, "another")) == 401
    told = listening.told()
    assert (told["answered"], told["attempts"], app.came) == (401, [], [])
    assert told["file_count"] == 1, "what nobody vouches for is shown all the same"

    listening = listen("--forward-to", app.url, "--forward-invalid")
    assert listening.deliver(BODY, sign(BODY, "another")) == 401
    assert listening.told()["attempts"][0]["status"] == 401
    assert len(app.came) == 1
    app.secret = "another"
    assert listening.deliver(BODY, sign(BODY, "another")) == 204


def test_an_app_that_believes_a_forgery_is_told_of(app: Any, listen: Any) -> None:
    app.secret = "another"
    listening = listen("--forward-to", app.url, "--forward-invalid", as_json=False)
    [listening.line() for _ in range(4)]
    assert listening.deliver(BODY, sign(BODY, "another")) == 204
    assert "INVALID: mismatch  app 204" in (line := listening.line())
    assert "your app accepted it: it must answer 401" in line


def test_nothing_of_a_delivery_moves_the_terminal(listen: Any) -> None:
    listening = listen(as_json=False)
    [listening.line() for _ in range(4)]
    evil = "a\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202e\u2028[red]ok[/red] \ud83d"
    body = json.dumps({"event": evil, "result": [{"status": evil, "batchId": evil}]}).encode()
    assert listening.deliver(body) == 204
    line = listening.line()
    assert line.endswith("answered 204\n")
    assert line.count("\n") == 1
    assert all(char.isprintable() for char in line[:-1])
    assert r"a\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202e\u2028[red]ok[/red] \ud83d" in line


@given(st.text(st.characters()))
def test_plain_text_is_printable(text: str) -> None:
    assert all(char.isprintable() or unicodedata.category(char) == "Zs" for char in plain(text))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", plain(text))


def test_colours_on_a_terminal_only() -> None:
    master, slave = pty.openpty()
    env = {**os.environ, "EXTRACTA_WEBHOOK_SECRET": SECRET, "TERM": "xterm-256color"}
    env.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [COMMAND, "listen", "--port", "0"], stdin=slave, stdout=slave, stderr=slave, env=env
    )
    os.close(slave)
    try:
        out = read_until(master, b"Ctrl-C")
        port = int(re.findall(rb"127\.0\.0\.1:(\d+)", out)[0])
        with socket.create_connection(("127.0.0.1", port)) as sender:
            sender.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]")
            assert sender.recv(100).startswith(b"HTTP/1.1 401")
        out = read_until(master, b"401")
        assert b"\x1b[1;31mINVALID: missing_header\x1b[0m" in out
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)


def read_until(terminal: int, what: bytes) -> bytes:
    out = b""
    while what not in out:
        out += os.read(terminal, 4096)
    return out


# --- the page and its API, seen from where they should not be reached


def page(listening: Any) -> tuple[dict[str, str], str]:
    status, headers, body = listening.ask("GET")
    assert status == 200
    return headers, body.decode()


def token(listening: Any) -> str:
    return re.findall(r'name="listen-token" content="([\w-]+)"', page(listening)[1])[0]


def test_the_page_is_locked_up(listen: Any) -> None:
    listening = listen()
    headers, body = page(listening)
    nonce = re.findall("nonce-([\\w-]+)'", headers["Content-Security-Policy"])[0]
    assert headers["Content-Security-Policy"] == (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert body.count(f'nonce="{nonce}"') == 2
    assert "{{" not in body
    assert not re.search(r"(src|href)=\"(?!data:)|@import|url\(|innerHTML|eval\(", body)
    other, _ = page(listening)
    assert other["Content-Security-Policy"] != headers["Content-Security-Policy"]


ELSEWHERE = [
    {"Host": "abc.tunnel.example"},
    {"Host": "127.0.0.1"},
    {"Host": "127.0.0.1:1"},
    {"Host": "127.0.0.1.evil.example:{port}"},
    {"Host": "localhost:{port}", "X-Forwarded-For": "203.0.113.9"},
    {"Host": "localhost:{port}", "X-Forwarded-Host": "abc.tunnel.example"},
    {"Host": "localhost:{port}", "CF-Connecting-IP": "203.0.113.9"},
    {"Host": "localhost:{port}", "Via": "1.1 proxy"},
]
FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "https://127.0.0.1:{port}"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.fixture
def with_delivery(app: Any, listen: Any) -> Any:
    """A listen with one delivery, and a function that fills the port into headers."""
    listening = listen("--forward-to", app.url)
    assert listening.deliver(BODY) == 204
    listening.told()
    return listening


def filled(headers: dict[str, str], listening: Any) -> dict[str, str]:
    return {name: value.format(port=listening.port) for name, value in headers.items()}


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_the_page_is_not_reached_through_a_tunnel_or_another_name(
    headers: dict[str, str], with_delivery: Any, app: Any
) -> None:
    listening, headers = with_delivery, filled(headers, with_delivery)
    for path in ("/", "/_listen/events", "/_listen/deliveries/1", "/other"):
        status, _, body = listening.ask("GET", path, headers=headers)
        assert status == 403
        assert b"a.pdf" not in body
    with_token = {**headers, "x-listen-token": token(listening)}
    assert listening.ask("POST", "/_listen/deliveries/1/replay", b"", with_token)[0] == 403
    assert len(app.came) == 1
    # Deliveries come by such ways.
    assert listening.deliver(BODY, **headers) == 204


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_web_sites_in_the_browser_cannot_read_or_replay(
    headers: dict[str, str], with_delivery: Any, app: Any
) -> None:
    listening, headers = with_delivery, filled(headers, with_delivery)
    for path in ("/_listen/events", "/_listen/deliveries/1"):
        assert listening.ask("GET", path, headers=headers)[0] == 403
    with_token = {**headers, "x-listen-token": token(listening)}
    status, answer, _ = listening.ask("POST", "/_listen/deliveries/1/replay", b"", with_token)
    assert status == 403
    assert "Access-Control-Allow-Origin" not in answer
    assert listening.ask("OPTIONS", "/_listen/deliveries/1/replay", headers=headers)[0] == 405
    assert len(app.came) == 1


@pytest.mark.parametrize("wrong", [None, "", "x" * 32, "é".encode().decode("latin-1")])
def test_a_replay_needs_the_page_s_token(wrong: str | None, with_delivery: Any, app: Any) -> None:
    headers = {} if wrong is None else {"x-listen-token": wrong}
    assert with_delivery.ask("POST", "/_listen/deliveries/1/replay", b"", headers)[0] == 403
    assert len(app.came) == 1


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}"])
def test_a_replay_sends_the_same_bytes_and_headers(host: str, with_delivery: Any, app: Any) -> None:
    listening = with_delivery
    host = host.format(port=listening.port)
    headers = {
        "Host": host,
        "Origin": f"http://{host.lower()}",
        "Sec-Fetch-Site": "same-origin",
        "x-listen-token": token(listening),
    }
    app.status = 500
    status, answer, body = listening.ask("POST", "/_listen/deliveries/1/replay", b"", headers)
    assert status == 200
    assert answer["Content-Type"] == "application/json"
    said = json.loads(body)
    assert [(a["replay"], a["status"], a["text"]) for a in said["attempts"]] == [
        (False, 204, ""), (True, 500, "the app says 500"),
    ]  # fmt: skip
    assert app.came[0] == app.came[1]
    told = listening.told()
    assert (told["type"], told["id"], told["answered"]) == ("replay", 1, 204)
    assert listening.ask("POST", "/_listen/deliveries/9/replay", b"", headers)[0] == 404
    assert listening.ask("POST", "/_listen/nonsense", b"", headers)[0] == 404


def test_no_replay_without_an_app(listen: Any) -> None:
    listening = listen()
    listening.deliver(BODY)
    headers = {"x-listen-token": token(listening)}
    status, _, body = listening.ask("POST", "/_listen/deliveries/1/replay", b"", headers)
    assert status == 409
    assert b"--forward-to" in body


def test_details_show_the_body_as_it_came_and_never_the_secret(with_delivery: Any) -> None:
    listening = with_delivery
    status, _, body = listening.ask("GET", "/_listen/deliveries/1")
    assert status == 200
    said = json.loads(body)
    assert said["body"]["kind"] == "json"
    assert '        "total": 1.5\n' in said["body"]["text"]
    assert [SIGNATURE_HEADER, sign(BODY, SECRET)] in said["headers"]
    assert listening.ask("GET", "/_listen/deliveries/2")[0] == 404
    for text in (body.decode(), page(listening)[1]):
        assert "säcret" not in text
        assert "s\\u00e4cret" not in text
    assert token(listening) not in body.decode()


def events(connection: socket.socket) -> Iterator[tuple[str, Any]]:
    """Yield what a page is told."""
    with connection.makefile("rb") as stream:
        assert stream.readline().split()[1] == b"200"
        while stream.readline().strip():
            pass
        while name := stream.readline():
            data = stream.readline()
            assert stream.readline() == b"\n"
            yield name.decode()[7:-1], json.loads(data.decode()[6:])


def open_events(listening: Any) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", listening.port), timeout=20)
    host = f"127.0.0.1:{listening.port}"
    connection.sendall(f"GET /_listen/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return connection


def test_pages_are_told_at_once_and_only_the_latest_are_kept(app: Any, listen: Any) -> None:
    listening = listen("--keep", "2", "--forward-to", app.url)
    with open_events(listening) as connection:
        told = events(connection)
        name, value = next(told)
        assert (name, value["url"], value["forward_to"]) == ("hello", listening.url, app.url)
        for number in (1, 2, 3):
            listening.deliver(BODY)
            answered = None
            while answered is None:
                name, value = next(told)
                assert name == "changes"
                assert value["oldest"] == max(1, number - 1)
                assert [delivery["id"] for delivery in value["deliveries"]] == [number]
                answered = value["deliveries"][0]["answered"]
    assert listening.ask("GET", "/_listen/deliveries/1")[0] == 404
    assert listening.ask("GET", "/_listen/deliveries/2")[0] == 200


def test_pages_that_left_make_room(listen: Any) -> None:
    listening = listen()
    pages = [open_events(listening) for _ in range(16)]
    for each in pages:
        next(events(each))
    with open_events(listening) as one_more:
        assert b" 503 " in one_more.recv(100)
    for each in pages:
        each.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with open_events(listening) as one_more:
            if b" 200 " in one_more.recv(100):
                return
    raise AssertionError("pages that left are still counted")


def kept(count: int, size: int = 1) -> dict[str, Any]:
    return {"time": 0.0, "path": "/", "headers": (), "body": b"x" * size, **read(b"", None, ["s"])}


def test_what_is_kept_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_deliveries, "MOST_BYTES", 100)
    deliveries = Deliveries(50)
    for _ in range(10):
        deliveries.add(**kept(1, size=30))
    changes = deliveries.changes(0, 0)
    assert changes
    assert [each.id for each in changes.deliveries] == [8, 9, 10]
    assert changes.oldest == 8
    deliveries.add(**kept(1, size=1000))
    changes = deliveries.changes(0, 0)
    assert changes
    assert [each.id for each in changes.deliveries] == [11], "the latest stays, whatever its size"
    gone = deliveries.update(changes.deliveries[0], answered=204)
    assert gone.answered == 204


def test_a_delivery_with_very_much_in_it_is_shown_in_part(listen: Any) -> None:
    files = [{"fileId": f"{n}" * 400, "status": f"s{n}", "batchId": f"{n}"} for n in range(3000)]
    body = json.dumps({"event": "x" * 1000, "result": files}).encode()
    deliveries = Deliveries(1)
    fields = {**kept(1), "body": body, **read(body, sign(body, "s"), ["s"])}
    delivery = deliveries.add(**fields)
    short = summary(delivery)
    assert short["file_count"] == 3000
    assert len(short["files"]) == 100
    assert len(json.dumps(short)) < 100_000
    whole = detail(delivery)
    assert whole["body"]["cut"]
    assert len(whole["body"]["text"]) == 512 << 10


# --- how a body comes over the wire


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers with the body; its port."""

    class Echo(Handler):
        def post(self) -> None:
            self.answer(200, self.read_body())

    with LoopbackServer(Echo) as server:
        yield server.port


def raw(port: int, request: bytes, half_closed: bool = False) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        if half_closed:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
TOO_MUCH = str((10 << 20) + 1).encode()


@pytest.mark.parametrize(
    ("rest", "status", "body"),
    [
        (b"Content-Length: 3\r\n\r\nabc", 200, b"abc"),
        (b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc"),
        (b"Content-Length: 0\r\n\r\n", 200, b""),
        (CHUNKED + b"3\r\nabc\r\n02;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n", 200, b"abcde"),
        (CHUNKED.replace(b"chunked", b"Chunked") + b"0\r\n\r\n", 200, b""),
        (b"\r\n", 411, None),
        (b"Content-Length: " + TOO_MUCH + b"\r\n\r\n", 413, None),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 413, None),
        (CHUNKED + b"a00001\r\n", 413, None),
        (CHUNKED + b"FFFFFFFFFFFFFFF\r\n", 413, None),
        (b"Content-Length: -1\r\n\r\n", 400, None),
        (b"Content-Length: 1_0\r\n\r\n", 400, None),
        (b"Content-Length: +3\r\n\r\n", 400, None),
        (b"Content-Length:\r\n\r\n", 400, None),
        (b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, None),
        (b"Content-Length: 3\r\n" + CHUNKED + b"0\r\n\r\n", 400, None),
        (b"Content-Length: 9\r\n\r\nabc", 400, None),
        (b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, None),
        (CHUNKED + b"x\r\n", 400, None),
        (CHUNKED + b"\r\n", 400, None),
        (CHUNKED + b"-1\r\n", 400, None),
        (CHUNKED + b"0x1\r\na\r\n0\r\n\r\n", 400, None),
        (CHUNKED + b"1111111111111111\r\n", 400, None),
        (CHUNKED + b"2\r\nabXY0\r\n\r\n", 400, None),
        (CHUNKED + b"5\r\nab", 400, None),
        (CHUNKED + b"1;" + b"x" * 5000 + b"\r\na\r\n0\r\n\r\n", 400, None),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * 200 + b"\r\n", 400, None),
    ],
)
def test_bodies_are_read_as_they_are_framed(
    rest: bytes, status: int, body: bytes | None, echo: int
) -> None:
    answer = raw(echo, b"POST / HTTP/1.1\r\nHost: x\r\n" + rest, half_closed=True)
    head, _, got = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert head.count(b"HTTP/1.1") == 1
    if body is not None:
        assert got == body
    else:
        assert got.startswith(b"%d: " % status)


def test_a_body_is_asked_for_only_if_it_is_welcome(echo: int) -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: "
    with socket.create_connection(("127.0.0.1", echo), timeout=20) as connection:
        connection.sendall(head + b"3\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    with socket.create_connection(("127.0.0.1", echo), timeout=20) as connection:
        connection.sendall(head + TOO_MUCH + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_who_sends_too_much_gets_the_answer_all_the_same(echo: int) -> None:
    body = b"x" * (12 << 20)
    head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert raw(echo, head + body).startswith(b"HTTP/1.1 413")


def test_other_methods_and_requests_that_are_none(echo: int) -> None:
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "NONSENSE"):
        answer = raw(echo, f"{method} / HTTP/1.1\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert b"\r\nAllow: POST\r\n" in answer
    head = raw(echo, b"HEAD / HTTP/1.1\r\n\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert raw(echo, b"\x16\x03\x01\x02\0\x01\r\n\r\n").startswith(b"400: ")
    assert raw(echo, b"POST / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n").startswith(
        b"HTTP/1.1 431"
    )


def test_connections_are_bounded(echo: int, monkeypatch: pytest.MonkeyPatch) -> None:
    idle = [socket.create_connection(("127.0.0.1", echo)) for _ in range(_http.MOST_CONNECTIONS)]
    assert raw(echo, b"").startswith(b"HTTP/1.1 503")
    for each in idle:
        each.close()
    deadline = time.monotonic() + 20
    request = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    while raw(echo, request if time.monotonic() < deadline else b"")[9:12] != b"200":
        assert time.monotonic() < deadline


def test_a_request_must_come_in_time(monkeypatch: pytest.MonkeyPatch, echo: int) -> None:
    monkeypatch.setattr(_http, "READ_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", echo), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na")
        assert connection.recv(100) == b""


def test_a_chunked_delivery_is_verified(listen: Any) -> None:
    listening = listen()
    half = len(BODY) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (BODY[:half], BODY[half:], b""))
    head = f"POST / HTTP/1.1\r\nHost: x\r\n{SIGNATURE_HEADER}: {sign(BODY, SECRET)}\r\n"
    assert raw(listening.port, head.encode() + CHUNKED + chunks).startswith(b"HTTP/1.1 204 ")
    assert listening.told()["valid"]


def test_two_signatures_are_none(listen: Any) -> None:
    listening = listen()
    signature = f"{SIGNATURE_HEADER}: {sign(BODY, SECRET)}\r\n".encode()
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(BODY)
    assert raw(listening.port, head + signature * 2 + b"\r\n" + BODY).startswith(b"HTTP/1.1 401 ")
    assert raw(listening.port, head + signature + b"\r\n" + BODY).startswith(b"HTTP/1.1 204 ")


# --- how it starts and ends


def test_ctrl_c_ends_it_at_once_whatever_is_open(raw_server: Any, listen: Any) -> None:
    release = threading.Event()
    raw_server.reply = lambda stream: release.wait(20)
    listening = listen("--forward-to", raw_server.url)
    with (
        open_events(listening) as watching,
        socket.create_connection(("127.0.0.1", listening.port)) as idle,
        socket.create_connection(("127.0.0.1", listening.port)) as waiting,
    ):
        told = events(watching)
        assert next(told)[0] == "hello"
        idle.sendall(b"POST / HTTP/1.1\r\n")
        head = f"POST / HTTP/1.1\r\n{SIGNATURE_HEADER}: {sign(BODY, SECRET)}\r\n"
        waiting.sendall(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
        assert next(told)[1]["deliveries"][0]["answered"] is None
        began = time.monotonic()
        assert listening.end() == (0, "")
        assert time.monotonic() - began < 3
    release.set()


def test_who_reads_no_more_ends_it() -> None:
    done = subprocess.run(
        [
            "bash", "-c",
            f"'{COMMAND}' listen --port 0 --json | (read -r line; exec <&-;"
            " port=${line#*127.0.0.1:};"
            " exec 3<>/dev/tcp/127.0.0.1/${port%%/*};"
            r" printf 'POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n' >&3; cat <&3 >&2); exit 0",
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "EXTRACTA_WEBHOOK_SECRET": SECRET},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert "HTTP/1.1 401" in done.stderr
    assert "Traceback" not in done.stderr


def run(*args: str, **changes: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "EXTRACTA_WEBHOOK_SECRET"}
    return subprocess.run(
        [COMMAND, *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        env={**env, **changes},
        check=False,
    )


@pytest.mark.parametrize(
    ("args", "secret", "code", "said"),
    [
        (["--port", "{used}"], SECRET, 1, "cannot listen on port {used}"),
        (["--port", "65536"], SECRET, 2, "--port"),
        (["--keep", "0"], SECRET, 2, "--keep"),
        (["--forward-invalid"], SECRET, 2, "--forward-invalid needs --forward-to"),
        (["--forward-to", "localhost:5000"], SECRET, 2, "begins with http://"),
        (["--forward-to", "http://u:p@localhost"], SECRET, 2, "leave it out"),
        (["--forward-to", "http://localhost:99999"], SECRET, 2, "cannot be"),
        (
            ["--port", "{free}", "--forward-to", "http://localhost:{free}/x"],
            SECRET, 2, "names this very command",
        ),
        (["--port", "0"], "E_AI_K_", 2, "the webhook secret cannot be used"),
        (["--port", "0"], None, 2, "set EXTRACTA_WEBHOOK_SECRET"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line(
    args: list[str], secret: str | None, code: int, said: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        ports = {"used": used.getsockname()[1], "free": free.getsockname()[1]}
        free.close()
        args = [arg.format(**ports) for arg in args]
        done = run("listen", *args, **({"EXTRACTA_WEBHOOK_SECRET": secret} if secret else {}))
        said = said.format(**ports)
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert said in line
    assert "u:p" not in line


def test_help_tells_what_it_does() -> None:
    for command in ("listen", "trigger"):
        done = run(command, "--help")
        assert done.returncode == 0
        assert "EXTRACTA_WEBHOOK_SECRET" in done.stdout
        assert command in run("--help").stdout


# --- the parts


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.sampled_from([None, 0, 3]), st.booleans())
def test_pretty_json_has_the_same_tokens(value: Any, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(
        "utf-8", "surrogatepass"
    )
    try:
        body.decode()
    except UnicodeDecodeError:
        assert pretty(body, 1 << 20)[1] == "binary"
        return
    text, kind = pretty(body, 1 << 20)
    assert kind == "json"
    assert json.loads(text) == value
    assert text == json.dumps(value, indent=2, ensure_ascii=ascii_only)


def test_pretty_leaves_tokens_and_what_is_no_json_as_they_came() -> None:
    assert pretty(rb'{"a":1.0,"a":1e2,"\u00e9":[ ],"b":{ "c":-0}}', 999) == (
        '{\n  "a": 1.0,\n  "a": 1e2,\n  "\\u00e9": [],\n  "b": {\n    "c": -0\n  }\n}', "json",
    )  # fmt: skip
    assert pretty(b"<html>\n", 999) == ("<html>\n", "text")
    assert pretty(b"[1,]", 999) == ("[1,]", "text")
    assert pretty(b"\xff[1]", 999) == ("�[1]", "binary")
    assert pretty(b"[" * 100_000, 999)[1] == "text"
    deep = b"[" * 900 + b"]" * 900
    text, kind = pretty(deep, 50_000)
    assert kind == "json"
    assert len(text) < 50_100


def test_headers_for_the_next_one_only_are_left_out() -> None:
    assert end_to_end([
        ("Host", "a"), ("Keep-Alive", "1"), ("CONNECTION", "X-a , TE"), ("x-A", "1"),
        ("X-Folded", "one\r\n two\n\tthree"), ("bad name", "x"), ("Content-Type", "text/plain"),
    ]) == [("X-Folded", "one two three"), ("Content-Type", "text/plain")]  # fmt: skip
