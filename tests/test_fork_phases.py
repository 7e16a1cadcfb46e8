"""A fork in each phase of a call: the child has connections of its own, the parent is unharmed."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import pytest
from run_tools import hold, once, uploaded

from extracta_rs import Client, Journal
from extracta_rs.testing import Emulator

PHASES = [
    "unused", "connecting", "sending", "headers", "body", "sleeping", "sweeping", "running",
    "closed",
]  # fmt: skip
FIELDS = [{"key": "total", "description": "the total", "example": "12.50"}]
UPLOAD = "/uploadFiles"


class Service:
    """Stands before an emulator: notes who sent what over which connection, and stops in a phase.

    Whose a request is tells the extraction that it names.
    """

    def __init__(self, emulator: Emulator, phase: str, mine: str, other: str) -> None:
        self.emulator = urlsplit(emulator.base_url)
        self.phase = phase
        self.names = {mine.encode(): "parent", other.encode(): "child"}
        self.connections: list[list[tuple[str, str]]] = []
        self.reached = threading.Event()
        self.go = threading.Event()
        # One that is not accepted fills the line.
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}{self.emulator.path}"
        self.threads = [threading.Thread(target=self.accept)]

    def accept(self) -> None:
        if self.phase == "connecting":
            with socket.create_connection(("127.0.0.1", self.port)):
                assert self.go.wait(30)
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            if self.phase == "ended":
                connection.close()
                return
            thread = threading.Thread(target=self.serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def serve(self, connection: socket.socket) -> None:
        log: list[tuple[str, str]] = []
        self.connections.append(log)
        gone = contextlib.suppress(ConnectionError)  # It leaves when it has what it wants.
        with gone, connection, connection.makefile("rwb") as stream:
            while line := stream.readline():
                self.answer(stream, line.decode("latin-1"), log)

    def answer(self, stream: BinaryIO, line: str, log: list[tuple[str, str]]) -> None:
        method, path, version = line.split()
        assert version == "HTTP/1.1"
        headers = {}
        while (header := stream.readline().strip()) != b"":
            name, _, value = header.decode("latin-1").partition(": ")
            headers[name.lower()] = value
        length = int(headers.get("content-length", 0))
        body = stream.read(min(length, 1000))
        who = next(who for name, who in self.names.items() if name in body)
        log.append((who, path.removeprefix(self.emulator.path)))
        stops = who == "parent" and not self.go.is_set() and self.phase in PHASES
        if stops and self.phase == "sending":
            self.stop()
        body += stream.read(length - len(body))
        status, answered, told = self.forward(method, path, headers, body)
        head = f"HTTP/1.1 {status} OK\r\ncontent-length: {len(told)}\r\n{answered}\r\n".encode()
        if stops and self.phase == "body":
            stream.write(head + told[:5])
            stream.flush()
            self.stop()
            head, told = b"", told[5:]
        if stops and (self.phase == "headers" or (self.phase, path[-12:]) == ("running", UPLOAD)):
            self.stop()
        stream.write(head + told)
        stream.flush()
        if stops and self.phase in ("sleeping", "sweeping"):
            self.reached.set()

    def stop(self) -> None:
        self.reached.set()
        assert self.go.wait(30)

    def forward(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes]:
        assert self.emulator.hostname
        emulator = http.client.HTTPConnection(self.emulator.hostname, self.emulator.port)
        with contextlib.closing(emulator):
            emulator.request(method, path, body, headers)
            answer = emulator.getresponse()
            kept = [f"{name}: {answer.headers[name]}\r\n" for name in ("content-type",)]
            return answer.status, "".join(kept), answer.read()

    def is_connecting(self) -> bool:
        """Whether somebody waits for this server to accept."""
        sent, wanted = "02", f":{self.port:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(line[2].endswith(wanted) and line[3] == sent for line in lines)

    def close(self) -> None:
        self.phase = "ended"
        self.go.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self.threads[0].join()
        self.listening.close()
        for thread in self.threads[1:]:
            thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.pdf").write_bytes(b"%%PDF %d" % number)
    return folder


@pytest.fixture
def emulator(phase: str) -> Iterator[Emulator]:
    polls = 2 if phase in ("sleeping", "sweeping") else 0
    with Emulator(polls_until_finished=polls) as emulator:
        yield emulator


@pytest.mark.parametrize(("face", "how"), [("blocking", "multiprocessing"), ("asyncio", "fork")])
@pytest.mark.parametrize("phase", PHASES)
def test_a_fork(
    phase: str,
    how: str,
    face: str,
    emulator: Emulator,
    folder: Path,
    tmp_path: Path,
    start: Callable[..., subprocess.Popen[str]],
    end: Callable[..., str],
) -> None:
    with Client(emulator.api_key, base_url=emulator.base_url) as client:
        mine, other = (
            client.extractions.create(name, fields=FIELDS).extraction_id for name in "ab"
        )
        # Where an extraction has no batch the emulator shows no list of them.
        first = client.extractions.upload(mine, ("before.txt", b"before"))
        client.extractions.upload(other, ("before.txt", b"before"))
    before = uploaded(emulator)
    journal = tmp_path / "run.journal"
    service = Service(emulator, phase, mine, other)
    service.threads[0].start()
    process = start(
        "fork_phase.py", phase, how, face, service.url, emulator.api_key, mine, other,
        first.batch_id, first.token(), folder, journal, stdin=subprocess.PIPE,
    )  # fmt: skip

    def tell(word: str) -> object:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{word}\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline() or '"it ended"')

    limit = threading.Timer(40, process.kill)
    limit.start()
    try:
        assert tell("begin") is None
        if phase == "connecting":
            hold(service.is_connecting)
        elif phase not in ("unused", "closed"):
            assert service.reached.wait(20)
        assert tell("fork") is None
        if phase == "connecting":
            service.go.set()
        assert tell("wait") == 0
        service.go.set()
        told = tell("end")
        end(process)
    finally:
        limit.cancel()
        process.kill()
        service.close()
        print(*process.communicate())  # For whoever reads why it failed.
    expected(phase, told, service, first.batch_id, mine)
    sent = uploaded(emulator) - before
    documents = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    if phase == "running":
        assert sent == once(*documents) + once(documents[0])
        with Journal(journal) as read:
            assert read.status()["finished"] == 4
            read.check()
    else:
        assert sent == (once(("big.pdf", bytes(16 << 20))) if phase == "sending" else once())


def expected(phase: str, told: object, service: Service, batch_id: str, mine: str) -> None:
    """Compare what the parent got, and who sent what over which connection."""
    by_phase = {
        "closed": None,
        "sleeping": batch_id,
        "sweeping": [batch_id],
        "running": ["0.pdf", "1.pdf", "2.pdf"],
    }
    if phase != "sending":
        assert told == by_phase.get(phase, mine)
    senders = [{who for who, _ in log} for log in service.connections if log]
    if phase == "closed":
        assert senders == []
        return
    assert all(len(who) == 1 for who in senders)
    assert set().union(*senders) == {"parent", "child"}
    if phase in ("sending", "headers", "body", "unused", "connecting"):
        # The parent's went on over the connection that it had.
        assert senders.count({"parent"}) == 1
