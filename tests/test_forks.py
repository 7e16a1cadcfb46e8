"""A server that forks its workers with calls in flight."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from extracta_rs import SIGNATURE_HEADER, sign
from extracta_rs.testing import Emulator

SECRET = "E_AI_K_forks"
APP = f"""
import os, sys, threading
from flask import Flask, request
from extracta_rs import SIGNATURE_HEADER, Client, Journal, verify_signature
client = Client("test-key", min_poll_spacing=0)
journal = Journal("run.journal")
app = Flask(__name__)

def wait():
    # In the process that forks the workers, all the time.
    fast = dict(poll_interval=0.02, max_poll_interval=0.02)
    client.extractions.wait(*os.environ["WAIT_FOR"].split(), timeout=None, **fast)

threading.Thread(target=wait, daemon=True).start()

@app.get("/")
def index():
    assert client.credits() > 0
    assert journal.status()["planned"] == 0
    return str(os.getpid())

@app.post("/hook")
def hook():
    verified = verify_signature(request.get_data(), request.headers[SIGNATURE_HEADER], "{SECRET}")
    return (str(client.credits()), 200) if verified else ("forged", 401)
"""


def ask(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        return str(answer.read().decode())


def eventually(found: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        with contextlib.suppress(OSError):
            if found():
                return
        time.sleep(0.05)
    pytest.fail("did not happen within 20 s")


def deliver(port: int, signature: str) -> int:
    body = b'{"event":"extraction.processed","result":[]}'
    url = f"http://127.0.0.1:{port}/hook"
    request = urllib.request.Request(url, body, {SIGNATURE_HEADER: signature or sign(body, SECRET)})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_gunicorn_workers_use_a_client_made_before_the_fork(
    tmp_path: Path, extracta_emulator: Emulator, extraction_id: str, batch_id: str
) -> None:
    extracta_emulator.faults.add("getBatchResults", times=None, status=503)
    (tmp_path / "app.py").write_text(APP)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "-b"]
    command += [f"127.0.0.1:{port}", "--no-control-socket", "app:app"]
    if (
        "--no-control-socket"
        not in subprocess.run(
            [*command[:3], "--help"], capture_output=True, text=True, check=True
        ).stdout
    ):
        command.remove("--no-control-socket")
    environment = {
        **os.environ,
        "EXTRACTA_BASE_URL": extracta_emulator.base_url,
        "WAIT_FOR": f"{extraction_id} {batch_id}",
    }

    def polls() -> int:
        return sum(r.endpoint == "getBatchResults" for r in extracta_emulator.requests())

    def works() -> None:
        """Both workers answer, and the wait before them goes on."""
        before = polls()
        eventually(lambda: len({ask(port) for _ in range(10)}) == 2)
        assert [deliver(port, "") for _ in range(10)] == [200] * 10
        assert [deliver(port, "0" * 64) for _ in range(10)] == [401] * 10
        eventually(lambda: polls() > before + 2)

    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            eventually(lambda: bool(ask(port)))
            works()
            old = {ask(port) for _ in range(20)}
            server.send_signal(signal.SIGHUP)
            eventually(lambda: ask(port) not in old)
            worker = ask(port)
            os.kill(int(worker), signal.SIGKILL)
            eventually(lambda: len({ask(port) for _ in range(10)} - {worker}) > 0)
            works()
            server.terminate()
            assert server.wait(20) == 0
        finally:
            server.kill()
    seen = polls()
    time.sleep(0.2)
    assert polls() == seen  # No copy of the wait was left behind.
