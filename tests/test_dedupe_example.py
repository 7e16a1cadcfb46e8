"""`examples/dedupe.py`: each state of a file is worked on once, whatever is sent and killed."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import Client
from extracta_rs.testing import Delivery, Emulator
from extracta_rs.webhooks import SIGNATURE_HEADER, sign

EXAMPLE = Path(__file__).parent.parent / "examples/dedupe.py"
SECRET = "E_AI_K_dedupe-säcret"


@dataclass
class Program:
    """The example in processes of its own, over one database."""

    database: Path
    start: Callable[..., subprocess.Popen[str]]
    separate: str = ""
    servers: list[subprocess.Popen[str]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "EXTRACTA_WEBHOOK_SECRET": SECRET,
            "WEBHOOK_DATABASE": str(self.database),
            "WEBHOOK_SEPARATE_EVENTS": self.separate,
        }

    def run(self, what: str, last_step: int = 0) -> subprocess.Popen[str]:
        return self.start("dedupe.py", what, EXAMPLE, last_step, env=self.environment())

    def flask(self, command: str) -> None:
        """Run a command of the program as its docstring shows it."""
        subprocess.run(
            [sys.executable, "-W", "error", "-m", "flask", "--app", "dedupe", command],
            cwd=EXAMPLE.parent,
            env=self.environment(),
            timeout=60,
            check=True,
        )

    def serve(self, last_step: int = 0) -> str:
        """Start a server; return the URL of its webhook."""
        server = self.run("serve", last_step)
        self.servers.append(server)
        # A log that nobody reads fills its pipe and stops the server.
        self.readers.append(threading.Thread(target=self.read_log, args=(server,)))
        self.readers[-1].start()
        assert server.stdout is not None
        return f"http://127.0.0.1:{int(server.stdout.readline())}/webhooks/extracta"

    def read_log(self, server: subprocess.Popen[str]) -> None:
        assert server.stderr is not None
        with server.stderr:
            self.logs.append(server.stderr.read())

    def kill(self) -> None:
        self.servers[-1].kill()
        assert self.servers[-1].wait(20) == -signal.SIGKILL

    def work(self, last_step: int = 0) -> int:
        """Do the work in a process; return its steps, or 0 where it was killed."""
        worker = self.run("work", last_step)
        out, err = worker.communicate(timeout=60)
        assert (worker.returncode, err) == (-signal.SIGKILL if last_step else 0, "")
        return int(out or 0)

    def rows(self, table: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.database, timeout=30)) as db:
            if table == "seen":
                return db.execute("SELECT key, event FROM seen").fetchall()
            files = db.execute(f"SELECT event, file FROM {table} ORDER BY id").fetchall()
            return [(event, json.loads(file)) for event, file in files]

    def files(self, table: str) -> list[Any]:
        return [file for _, file in self.rows(table)]


@pytest.fixture
def program(tmp_path: Path, start: Callable[..., subprocess.Popen[str]]) -> Iterator[Program]:
    program = Program(tmp_path / "webhooks.db", start)
    yield program
    for server in program.servers:
        server.kill()
        server.wait(20)
        assert server.stdout is not None
        server.stdout.close()
    for reader in program.readers:
        reader.join(20)
    log = "".join(program.logs)
    assert "Traceback" not in log
    assert "dedupe-säcret" not in log


def post(url: str, body: bytes, header: str | None) -> int | None:
    """Deliver a body; return the status, or None where the server died over it."""
    headers = {"Content-Type": "application/json"}
    if header is not None:
        headers[SIGNATURE_HEADER] = header
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, body, headers), timeout=30
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except (OSError, http.client.HTTPException):
        return None


def body_of(*files: Any, event: str = "extraction.processed") -> bytes:
    body = {"event": event, "result": list(files)}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def file(number: int, **changes: Any) -> dict[str, Any]:
    ids = {"extractionId": "-e", "batchId": "-b", "fileId": f"-f{number}", "fileName": "ü.pdf"}
    return {**ids, "status": "processed", "result": {"total": f"{number}.5"}, **changes}


@pytest.fixture
def delivery() -> Delivery:
    """What the service sends of a batch of three files."""
    with (
        # Nobody listens there; what would have been delivered is recorded.
        Emulator(webhook_url="http://127.0.0.1:9/", webhook_secret=SECRET) as emulator,
        Client(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        template = client.extractions.create("Invoices", fields=[{"key": "total"}])
        files = [(f"{name}.pdf", name.encode()) for name in "abü"]
        client.extractions.upload(template.extraction_id, files)
        return emulator.wait_for_deliveries(1)[0]


def test_what_the_service_delivers_is_worked_on_once(program: Program) -> None:
    with (
        Emulator(webhook_url=program.serve(), webhook_secret=SECRET) as emulator,
        Client(emulator.api_key, base_url=emulator.base_url) as client,
    ):
        template = client.extractions.create("Invoices", fields=[{"key": "total"}])
        for name in ("a.pdf", "b.pdf"):
            client.extractions.upload(template.extraction_id, (name, name.encode()))
        deliveries = emulator.wait_for_deliveries(2)
    assert [delivery.status for delivery in deliveries] == [204, 204]
    expected = [file for delivery in deliveries for file in delivery.json()["result"]]
    stored = program.files("outbox")
    assert sorted(map(str, stored)) == sorted(map(str, expected))
    for _ in range(2):
        program.flask("work")
        assert (program.files("outbox"), program.files("bookings")) == ([], stored)


def test_one_delivery_sent_by_many_at_once_is_one_row_for_each_file(
    program: Program, delivery: Delivery
) -> None:
    url = program.serve()
    gate = threading.Barrier(8)

    def send(_: int) -> list[int | None]:
        gate.wait()
        return [post(url, delivery.body, delivery.signature) for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(status for sent in pool.map(send, range(8)) for status in sent)
    assert answers == {204: 160}
    assert program.files("outbox") == delivery.json()["result"]
    assert len(program.rows("seen")) == 3


def test_two_processes_share_the_database(program: Program, delivery: Delivery) -> None:
    urls = [program.serve(), program.serve()]
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(post, url, delivery.body, delivery.signature) for url in urls * 20]
        assert {call.result() for call in sent} == {204}
    assert program.files("outbox") == delivery.json()["result"]


def test_a_replay_is_no_new_row_however_it_is_spelt(program: Program, delivery: Delivery) -> None:
    url = program.serve()
    assert post(url, delivery.body, delivery.signature) == 204
    parsed = json.loads(delivery.body)
    replays = [
        delivery.body,
        json.dumps(parsed, indent=2).encode(),
        json.dumps({**parsed, "event": "extraction.invented"}).encode(),
        json.dumps({"result": parsed["result"]}).encode(),
        json.dumps(parsed["result"]).encode(),
        b'{"result":[],' + delivery.body[1:],
    ]
    for body in replays:
        assert post(url, body, delivery.signature) == 204
    assert program.files("outbox") == parsed["result"]
    program.work()
    for body in replays:
        assert post(url, body, delivery.signature) == 204
    assert program.files("outbox") == []


def test_what_is_not_signed_or_too_large_is_not_stored(
    program: Program, delivery: Delivery
) -> None:
    url = program.serve()
    changed = delivery.body.replace(b'"status":"processed"', b'"status":"failed"', 1)
    no_files = b'{"event":"a.b","result":[1]}'
    for body, header, status in (
        (changed, delivery.signature, 401),
        (delivery.body, sign(delivery.body, "another"), 401),
        (delivery.body, None, 401),
        (no_files, sign(no_files, SECRET), 400),
        (b" " * (10 * 1024 * 1024 + 1), "x", 413),
    ):
        assert post(url, body, header) == status
    assert program.rows("seen") == []


def test_an_edited_file_is_a_new_row_and_its_neighbours_are_not(program: Program) -> None:
    url = program.serve()
    edited = file(2, result={"total": "9.99"})
    half = file(3, fileId="\ud800", status=["x"])
    for sent in ([file(1), file(2)], [file(1), edited], [file(1), edited], [half, half], []):
        body = json.dumps({"event": "extraction.edited", "result": sent}).encode()
        assert post(url, body, sign(body, SECRET)) == 204
    assert program.files("outbox") == [file(1), file(2), edited, half]
    program.work()
    assert program.files("bookings") == [file(1), file(2), edited, half]


@pytest.mark.parametrize("separate", ["", "extraction.confirmed"])
def test_a_confirmed_file_is_a_new_row_where_that_is_wanted(
    program: Program, separate: str
) -> None:
    program.separate = separate
    url = program.serve()
    for event in ("processed", "confirmed", "edited", "confirmed", "invented"):
        body = body_of(file(1), event=f"extraction.{event}")
        assert post(url, body, sign(body, SECRET)) == 204
    assert [event for event, _ in program.rows("outbox")] == ["", separate][: 1 + bool(separate)]


def test_killed_at_any_step_of_storing_nothing_is_lost_or_doubled(
    program: Program, delivery: Delivery
) -> None:
    expected = delivery.json()["result"]
    # BEGIN, two INSERTs for each of three files, COMMIT, close.
    for step in range(1, 10):
        for suffix in ("", "-journal"):
            Path(f"{program.database}{suffix}").unlink(missing_ok=True)
        assert post(program.serve(step), delivery.body, delivery.signature) is None
        assert program.servers[-1].wait(20) == -signal.SIGKILL
        # Only at the last step it was committed.
        assert program.files("outbox") == (expected if step == 9 else [])
        assert len(program.rows("seen")) == (3 if step == 9 else 0)
        assert post(program.serve(), delivery.body, delivery.signature) == 204
        assert program.files("outbox") == expected
        program.kill()
    assert post(program.serve(10), delivery.body, delivery.signature) == 204


def test_killed_at_any_step_of_working_nothing_is_lost_or_doubled(
    program: Program, delivery: Delivery
) -> None:
    url = program.serve()
    expected = delivery.json()["result"]
    assert post(url, delivery.body, delivery.signature) == 204
    # BEGIN, SELECT, INSERT, DELETE, COMMIT, close.
    for done, step in enumerate([1, 2, 3, 4, 5, 6, 11, 6]):
        assert program.work(step) == 0
        left, booked = program.files("outbox"), program.files("bookings")
        assert booked + left == expected
        assert len(booked) == [0, 0, 0, 0, 0, 1, 2, 3][done]
        assert post(url, delivery.body, delivery.signature) == 204
        assert program.files("bookings") + program.files("outbox") == expected
    # BEGIN, SELECT, COMMIT, close: there is nothing left.
    assert program.work() == 4
    assert (program.files("outbox"), program.files("bookings")) == ([], expected)


def test_killed_under_load_what_was_answered_is_stored_and_the_rest_can_be_sent_again(
    program: Program,
) -> None:
    url, enough = program.serve(), threading.Event()
    numbers = itertools.count()
    sent: list[tuple[bytes, str]] = []
    answered: list[str] = []

    def send(_: int) -> None:
        """Send one delivery after the other until the server dies."""
        while True:
            number = next(numbers)
            body = body_of(file(number), file(-1 - number))
            delivery = (body, sign(body, SECRET))
            sent.append(delivery)
            if post(url, *delivery) != 204:
                return
            answered.append(f"-f{number}")
            if len(answered) >= 15:
                enough.set()

    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(send, number) for number in range(8)]
        assert enough.wait(60)
        program.kill()
        for call in calls:
            call.result()
    stored = {item["fileId"] for item in program.files("outbox")}
    assert set(answered) <= stored
    # A delivery is stored whole or not at all.
    assert len(stored) % 2 == 0
    url = program.serve()
    program.work()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda item: post(url, *item), sent)) == {204}
    program.work()
    booked = Counter(item["fileId"] for item in program.files("bookings"))
    expected = (item["fileId"] for body, _ in sent for item in json.loads(body)["result"])
    assert booked == dict.fromkeys(expected, 1)
