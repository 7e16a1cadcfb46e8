"""`extracta-rs trigger`: what it sends is what the service would send, to a real app."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import SIGNATURE_HEADER, Client, WebhookEvent, unwrap
from extracta_rs.testing import Emulator

COMMAND = Path(sysconfig.get_path("scripts")) / "extracta-rs"
SECRET = "E_AI_K_listen-säcret"
EVENTS = [
    "extraction.processed",
    "extraction.failed",
    "extraction.edited",
    "extraction.confirmed",
    "classification.processed",
    "something.new",
]


def run(*args: str | bytes, secret: str | None = SECRET) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "EXTRACTA_WEBHOOK_SECRET"}
    if secret is not None:
        env["EXTRACTA_WEBHOOK_SECRET"] = secret
    return subprocess.run(
        [COMMAND, "trigger", *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**env, "PYTHONWARNINGS": "error"},
        check=False,
    )


def taken(app: Any) -> WebhookEvent:
    """Return the delivery that the app got last, verified."""
    body, headers = app.came[-1]
    assert headers["Content-Type"] == "application/json"
    return unwrap(body, headers["X-Webhook-Signature"], SECRET)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", EVENTS)
def test_an_app_takes_each_event_of_both_generations(name: str, legacy: bool, app: Any) -> None:
    done = run(name, "--url", app.url, *(["--legacy"] if legacy else []))
    assert (done.returncode, done.stderr) == (0, "")
    event = taken(app)
    assert event.event == (None if legacy else name)
    assert event.event_consistent
    assert len(event.files) == 2
    status = "failed" if name.endswith(".failed") else "processed"
    assert {file.status for file in event.files} == {status}
    assert all(file.error for file in event.files) == (status == "failed")
    assert all(file.file_id and file.batch_id for file in event.files)
    assert len(set(event.dedupe_keys)) == 2
    if name.startswith("classification."):
        assert all(file.classification_id and file.extraction for file in event.files)
        assert all(file.result["documentType"] == "invoice" for file in event.files)
    else:
        assert all(file.extraction_id for file in event.files)
        assert all(file.result.get("total") for file in event.files) == (status == "processed")
    sent, answered = done.stdout.splitlines()
    assert sent.startswith(f"Sent {'a legacy delivery' if legacy else name} to {app.url}: 2 files")
    assert event.files[0].batch_id
    assert event.files[0].batch_id in sent
    assert re.fullmatch(r"Answered 204 in \d+ ms", answered)


@pytest.mark.parametrize("kind", ["extractions", "classifications"])
def test_samples_have_the_keys_that_the_emulator_delivers(kind: str, app: Any) -> None:
    def keys(body: bytes) -> list[list[str]]:
        return [list(file) for file in json.loads(body)["result"]]

    with (
        Emulator(webhook_url=app.url, webhook_secret=SECRET, fail_files=["b"]) as emulator,
        Client(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        invoices = client.extractions.create("Invoices", fields=[{"key": "total"}])
        if kind == "extractions":
            owner = invoices.extraction_id
        else:
            types = [{"name": "invoice", "extractionId": invoices.extraction_id}]
            made = client.classifications.create("Kinds", document_types=types)
            owner = made.classification_id
        getattr(client, kind).upload(owner, [("a", b"a"), ("b", b"b")])
        deliveries = emulator.wait_for_deliveries(1 if kind == "extractions" else 2)
    event = f"{kind[:-1]}.processed"
    (delivered,) = [each.body for each in deliveries if each.event == event]
    assert run(event, "--failed", "1", "--url", app.url).returncode == 0
    sent, _ = app.came[-1]
    assert sorted(map(sorted, keys(sent))) == sorted(map(sorted, keys(delivered)))
    assert list(json.loads(sent)) == list(json.loads(delivered))


def test_ids_are_new_each_time_unless_seeded(app: Any) -> None:
    for args in ([], [], ["--seed", "a"], ["--seed", "a"], ["--seed", "b"]):
        assert run("extraction.processed", "--url", app.url, *args).returncode == 0
    bodies = [body for body, _ in app.came]
    assert bodies[2] == bodies[3]
    assert len(set(bodies)) == 4
    keys = [
        key
        for body, h in app.came
        for key in unwrap(body, h["X-Webhook-Signature"], SECRET).dedupe_keys
    ]
    assert len(set(keys)) == 8
    for body in bodies:
        for file in json.loads(body)["result"]:
            assert re.fullmatch(r"-O[\w-]{18}", file["fileId"])


def test_files_and_failures_as_asked_for(app: Any) -> None:
    args = ["--files", "7", "--failed", "3", "--url", app.url]
    done = run("extraction.processed", *args)
    assert "7 files (4 processed, 3 failed)" in done.stdout
    event = taken(app)
    assert [file.status for file in event.files] == ["processed"] * 4 + ["failed"] * 3
    assert len({file.file_name for file in event.files}) == 7
    run("extraction.processed", "--files", "0", "--url", app.url)
    assert taken(app).files == []


def test_a_bad_signature_is_refused(app: Any) -> None:
    done = run("extraction.processed", "--bad-signature", "--url", app.url)
    assert done.returncode == 1
    assert "Answered 401" in done.stdout
    assert "forged" in done.stdout
    assert done.stderr == f"extracta-rs: {app.url} answered 401\n"


@pytest.mark.parametrize("status", [200, 302, 500])
def test_the_exit_code_follows_the_status(status: int, app: Any) -> None:
    app.status = status
    done = run("extraction.processed", "--json", "--url", app.url)
    assert done.returncode == (0 if status == 200 else 1)
    said = json.loads(done.stdout)
    assert said["body"] == json.loads(app.came[-1][0])
    assert (said["status"], said["answer"]) == (status, f"the app says {status}")
    assert (said["url"], said["event"], said["error"]) == (app.url, "extraction.processed", None)
    assert len(app.came) == 1
    signature = app.came[-1][1]["X-Webhook-Signature"]
    for secret in ("säcret", "s\\u00e4cret", signature):
        assert secret not in done.stdout + done.stderr


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    done = run("extraction.processed", "--url", url, "--json")
    assert done.returncode == 1
    assert done.stderr == f"extracta-rs: {url}: nothing listens on {url[7:-1]}\n"
    assert json.loads(done.stdout)["status"] is None


def test_what_the_app_answers_moves_no_terminal(raw_server: Any) -> None:
    raw_server.answer(b"\x1b[2J\xff\x00 " + b"x" * 10_000)
    done = run("a\x1b[1m", "--url", raw_server.url)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert r"Sent a\x1b[1m to" in done.stdout
    assert len(done.stdout) < 1000


def test_an_event_that_is_no_text_is_sent_as_node_would(app: Any) -> None:
    assert run(b"a\xff", "--url", app.url).returncode == 0
    body, _ = app.came[-1]
    assert json.loads(body)["event"] == "a\udcff"
    assert taken(app).event == "a\udcff"


def test_a_sample_goes_through_listen_to_the_app(app: Any, listen: Any) -> None:
    listening = listen("--forward-to", app.url)
    for args in (["extraction.edited"], ["extraction.edited", "--legacy"]):
        assert run(*args, "--url", listening.url).returncode == 0
        told = listening.told()
        assert (told["valid"], told["answered"], told["legacy"]) == (True, 204, len(args) == 2)
        assert taken(app).files[0].batch_id == told["batch_ids"][0]
    assert run("x", "--bad-signature", "--url", listening.url).returncode == 1
    assert listening.told()["reason"] == "mismatch"
    assert len(app.came) == 2
    assert all(SIGNATURE_HEADER.title() in headers for _, headers in app.came)


def test_of_several_secrets_the_first_signs(app: Any) -> None:
    assert run("x", "--url", app.url, secret=f"{SECRET} E_AI_K_old").returncode == 0


@pytest.mark.parametrize(
    ("args", "secret", "said"),
    [
        ([], SECRET, "EVENT"),
        (["x", "--files", "1", "--failed", "2"], SECRET, "--failed is more than --files"),
        (["x", "--files", "1001"], SECRET, "--files"),
        (["x", "--url", "localhost"], SECRET, "begins with http://"),
        (["x"], None, "set EXTRACTA_WEBHOOK_SECRET"),
        (["x"], "E_AI_K_", "the webhook secret cannot be used"),
    ],
)
def test_what_cannot_be_is_one_line(args: list[str], secret: str | None, said: str) -> None:
    done = run(*args, secret=secret)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert said in line
