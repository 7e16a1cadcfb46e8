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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import SIGNATURE_HEADER, Client, sign
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
    assert told["problem"] == "`result` is a string, not a list of files"
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


def test_ctrl_c_ends_it_at_once_whatever_is_open(raw_server: Any, listen: Any) -> None:
    release = threading.Event()
    raw_server.reply = lambda stream: release.wait(20)
    listening = listen("--forward-to", raw_server.url)
    with (
        listening.watch() as watching,
        socket.create_connection(("127.0.0.1", listening.port)) as idle,
        socket.create_connection(("127.0.0.1", listening.port)) as waiting,
    ):
        told = listening.events(watching)
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
