"""Event loops that end with calls in flight, in each phase of a call: silently, and at once."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from run_tools import hold

from extracta_rs.testing import Emulator

Start = Callable[..., subprocess.Popen[str]]
End = Callable[..., str]

# In /proc/net/tcp.
ESTABLISHED, SYN_SENT = "01", "02"
# What the emulator shall do, and the endpoint that is then asked.
SERVED = {
    "line": ("credits", {"delay": 60}),
    "headers": ("credits", {"delay": 60}),
    "body": ("credits", {"slow_body": 60}),
    "pause": ("credits", {"status": 429, "retry_after": 30}),
    "gate": ("getBatchResults", None),
    "sleeping": ("getBatchResults", None),
    "sweeping": ("viewExtraction", None),
    "running": ("uploadFiles", {"delay": 60}),
}


@contextlib.contextmanager
def never_accepting(phase: str) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Listen, and do no more; yield the URL, and whether a client got as far as it can."""
    with contextlib.ExitStack() as stack:
        full = phase == "connecting"
        listening = stack.enter_context(
            socket.create_server(("127.0.0.1", 0), backlog=0 if full else 100)
        )
        address = listening.getsockname()
        if full:
            stack.enter_context(socket.create_connection(address))
        port = f":{address[1]:04X}"

        def reached() -> bool:
            lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            if full:
                return sum(line[2].endswith(port) and line[3] == SYN_SENT for line in lines) == 5
            least = 1 if phase == "handshake" else 1 << 16
            came = [line[4] for line in lines if line[1].endswith(port) and line[3] == ESTABLISHED]
            return sum(int(queues.split(":")[1], 16) >= least for queues in came) == 5

        scheme = "https" if phase == "handshake" else "http"
        yield f"{scheme}://127.0.0.1:{address[1]}", reached


@contextlib.contextmanager
def served(phase: str, emulator: Emulator) -> Iterator[tuple[str, Callable[[], bool]]]:
    endpoint, fault = SERVED[phase]
    if fault:
        emulator.faults.add(endpoint, times=None, **fault)
    before = len(emulator.requests())

    def reached() -> bool:
        came = [r for r in emulator.requests()[before:] if r.endpoint == endpoint]
        return len(came) >= (1 if phase in ("line", "gate", "sleeping", "sweeping") else 5)

    yield emulator.base_url, reached


@pytest.mark.extracta_emulator(processing_time=3600.0)
@pytest.mark.parametrize("how", ["returned", "closed", "left running"])
@pytest.mark.parametrize("phase", ["connecting", "handshake", "sending", *SERVED])
def test_a_loop_that_ends_with_calls_in_flight(
    how: str,
    phase: str,
    extracta_emulator: Emulator,
    extraction_id: str,
    batch_id: str,
    tmp_path: Path,
    start: Start,
    end: End,
) -> None:
    at = served(phase, extracta_emulator) if phase in SERVED else never_accepting(phase)
    with at as (url, reached):
        arguments = (how, phase, url, extraction_id, batch_id, tmp_path)
        with start("loop_ended.py", *arguments, stdin=subprocess.PIPE) as process:
            try:
                hold(reached)
                began = time.monotonic()
                assert end(process, tell="x") == "ended\n"
                assert time.monotonic() - began < 2
            finally:
                process.kill()
