"""Event loops that end, and servers that fork, with calls in flight."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from extracta_rs.testing import Emulator

Start = Callable[..., subprocess.Popen[str]]
End = Callable[..., str]

APP = """
import os
from flask import Flask
from extracta_rs import Client
client = Client("test-key")
client.credits()
app = Flask(__name__)

@app.get("/")
def index():
    assert client.credits() > 0
    return str(os.getpid())
"""


@pytest.mark.parametrize("how", ["run", "close"])
def test_a_loop_that_ends_with_calls_in_flight(
    how: str, extracta_emulator: Emulator, start: Start, end: End
) -> None:
    extracta_emulator.faults.add("credits", delay=20, times=50)
    began = time.monotonic()
    assert end(start("loop_closed.py", extracta_emulator.base_url, how)) == "ended\n"
    assert time.monotonic() - began < 15


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


def test_gunicorn_workers_use_a_client_made_before_the_fork(
    tmp_path: Path, extracta_emulator: Emulator
) -> None:
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
    environment = {**os.environ, "EXTRACTA_BASE_URL": extracta_emulator.base_url}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            eventually(lambda: bool(ask(port)))
            old = {ask(port) for _ in range(20)}
            server.send_signal(signal.SIGHUP)
            eventually(lambda: ask(port) not in old)
            worker = ask(port)
            os.kill(int(worker), signal.SIGKILL)
            eventually(lambda: len({ask(port) for _ in range(10)} - {worker}) > 0)
            server.terminate()
            assert server.wait(20) == 0
        finally:
            server.kill()
