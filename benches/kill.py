"""Kills runs that keep a journal, at every step, and looks at what the service was sent.

    python benches/kill.py [--kills 500] [--seed 1] [--journal postgres] [--workers 2] [--json]

Each round is a folder of documents, an extraction and a journal of its own. Workers run
`run_many` over the folder, through a relay that can refuse or hold connections, and are killed
(SIGKILL) at random moments and at each step of an upload, as seen from outside: in the journal
file and in the emulator's log. Then the run is finished, and: every document was uploaded exactly
once, and its results in the journal are the service's; in rounds that somebody else makes
undecidable, by uploads of as many files meanwhile, a document may instead be reported unknown, and
was uploaded at most once. Copies of the journal and its log, taken at the moment of a kill as a
power loss would leave them, must open unharmed. Exits with 1 if anything else is found.

With `--journal postgres` the journal is in a PostgreSQL server of its own, which is now and then
made to crash (SIGQUIT) and started again; `lease` is 3 s. With `--workers 2` two workers share
each round: one of them or both are killed, the others go on.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extracta_rs import Client, Journal, JournalError, RunIncompleteError
from extracta_rs.testing import Emulator

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from postgres_server import PostgresServer

FIELDS = [{"key": "total", "description": "the total", "example": "12.50"}]
DOCUMENTS, PER_BATCH = 36, 3
PATIENCE = 60.0
UNFINISHED = 3

# Those of an upload come first in a round, while there is something to upload.
UPLOADING = (
    "nothing can be sent",
    "the body is being sent",
    "carried out, no answer yet",
    "answered or just recorded",
    "recorded",
)
WAITING = ("a result is on its way", "a result was recorded", "random", "random")


def work(base_url: str, extraction_id: str, folder: str, journal: str) -> int:
    """Be a worker: run to the end; print what stays unknown."""
    with Client(
        "test-key", base_url=base_url, min_poll_spacing=0.002, connect_timeout=1.0
    ) as client:
        try:
            for _results in client.extractions.run_many(
                extraction_id,
                sorted(Path(folder).glob("*.pdf")),
                journal=journal,
                concurrency=2,
                max_files_per_batch=PER_BATCH,
                settle_time=1.0,  # far more than the emulator takes on a busy machine
                poll_interval=0.05,
                max_poll_interval=0.1,
            ):
                pass
        except RunIncompleteError as error:
            print(json.dumps([document.name for document in error.unknown]))
            if error.failed:
                print(error, file=sys.stderr)
                return 1
            return UNFINISHED
    return 0


class Relay:
    """Stands before the emulator; can refuse connections, or take bytes and pass none on."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = self._listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._holding = threading.Event()
        self.held = threading.Event()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _listen(self, port: int) -> socket.socket:
        return socket.create_server(("127.0.0.1", port), backlog=128)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            server = socket.create_connection(("127.0.0.1", self._target))
            with server:
                back = threading.Thread(
                    target=self._pump, args=(server, client, False), daemon=True
                )
                back.start()
                self._pump(client, server, True)

    def _pump(self, source: socket.socket, sink: socket.socket, upwards: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if upwards and self._holding.is_set() and b"uploadFiles" in data[:200]:
                    self.held.set()
                    while source.recv(65536):
                        pass
                    break
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Take no connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        try:
            yield
        finally:
            self._listener = self._listen(self.port)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Take the bytes of uploads, and pass none on."""
        self.held.clear()
        self._holding.set()
        try:
            yield
        finally:
            self._holding.clear()


@dataclass
class Found:
    """What the kills came to."""

    kills: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    workers: int = 0
    documents: int = 0
    uploads: int = 0
    unknown: int = 0
    copies: int = 0
    crashes: int = 0
    problems: list[str] = field(default_factory=list)


class Round:
    """A folder, an extraction and a journal, until every document is accounted for."""

    def __init__(
        self,
        emulator: Emulator,
        relay: Relay,
        chance: random.Random,
        found: Found,
        number: int,
        server: PostgresServer | None,
        workers: int,
    ) -> None:
        self.emulator, self.relay, self.chance, self.found = emulator, relay, chance, found
        self.server = server
        self.undecidable = number % 10 == 9
        self.count = max(workers, 2 if number % 4 == 3 else 1)
        self.all_die = workers == 1
        self.workers: list[subprocess.Popen[str]] = []
        self.place = Path(tempfile.mkdtemp(prefix="extracta-kill-"))
        for document in range(DOCUMENTS):
            path = self.place / f"{document:03}.pdf"
            path.write_bytes(b"%PDF" + chance.randbytes(chance.choice([10, 1000, 200_000])))
        self.journal = server.schema() if server else str(self.place / "journal")
        self.client = Client(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0)
        self.extraction_id = self.client.extractions.create("Kill", fields=FIELDS).extraction_id
        # What was there before: so that the list of batches is never empty.
        self.client.extractions.upload(self.extraction_id, ("before.pdf", b"%PDF"))
        self.before = len(emulator.requests())

    def start(self) -> subprocess.Popen[str]:
        self.found.workers += 1
        base_url = f"http://127.0.0.1:{self.relay.port}/api/v1"
        arguments = [base_url, self.extraction_id, str(self.place), self.journal]
        command = [sys.executable, __file__, "--work", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def rows(self, state: str) -> int:
        if self.server:
            with contextlib.suppress(JournalError), Journal(self.journal, create=False) as journal:
                return {str(name): count for name, count in journal.status().items()}[state]
            return 0
        with contextlib.suppress(sqlite3.Error), contextlib.closing(
            sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True, timeout=0.1)
        ) as database:  # fmt: skip
            counted = database.execute("SELECT count(*) FROM batches WHERE state = ?", (state,))
            return int(counted.fetchone()[0])
        return 0

    def uploads(self) -> list[Any]:
        return [
            request
            for request in self.emulator.requests()[self.before :]
            if request.endpoint == "uploadFiles"
            and request.extraction_id == self.extraction_id
            and request.carried_out
        ]

    def kill(self, step: str) -> None:
        """Start workers, wait for the step, kill them."""
        faults = self.emulator.faults
        with contextlib.ExitStack() as stack:
            stack.callback(faults.clear)
            if step == "nothing can be sent":
                stack.enter_context(self.relay.refusing())
            if step == "the body is being sent":
                stack.enter_context(self.relay.holding())
            if step == "carried out, no answer yet":
                faults.add("uploadFiles", delay=0.5, times=None)
            if step == "a result is on its way":
                faults.add("getBatchResults", delay=0.3, times=None)
            uploads, recorded = len(self.uploads()), self.rows("uploaded")
            finished, sending = self.rows("finished"), self.rows("uploading")
            reached = {
                "nothing can be sent": lambda: self.rows("uploading") > sending,
                "the body is being sent": self.relay.held.is_set,
                "carried out, no answer yet": lambda: len(self.uploads()) > uploads,
                "answered or just recorded": lambda: len(self.uploads()) > uploads,
                "recorded": lambda: self.rows("uploaded") > recorded,
                "a result is on its way": lambda: self.asked("getBatchResults"),
                "a result was recorded": lambda: self.rows("finished") > finished,
            }.get(step)
            self.seen = len(self.emulator.requests())
            self.workers = [worker for worker in self.workers if worker.poll() is None]
            self.workers += [self.start() for _ in range(self.count - len(self.workers))]
            workers = self.workers
            deadline = time.monotonic() + (self.chance.uniform(0, 0.9) if reached is None else 2.0)
            while time.monotonic() < deadline and any(w.poll() is None for w in workers):
                if reached is not None and reached():
                    break
                time.sleep(0.001)
            if self.undecidable and step == "the body is being sent":
                others = [(f"other-{n}.pdf", b"%PDF") for n in range(PER_BATCH)]
                self.client.extractions.upload(self.extraction_id, others)
            hit = self.count if self.all_die else self.chance.randint(1, self.count)
            for worker in self.chance.sample(workers, k=hit):
                killed = worker.poll() is None
                worker.send_signal(signal.SIGKILL) if killed else None
                worker.communicate()
                self.found.kills[step if killed else "came too late"] += killed
        if self.server:
            self.check_server(self.server)
        elif Path(self.journal).exists():
            self.check_copy()

    def asked(self, endpoint: str) -> bool:
        return any(r.endpoint == endpoint for r in self.emulator.requests()[self.seen :])

    def check_server(self, server: PostgresServer) -> None:
        """Now and then the server crashes; what it holds fits together."""
        if self.chance.random() < 0.1:
            server.stop(signal.SIGQUIT)
            server.start()
            self.found.crashes += 1
        if self.found.workers > self.count:
            with Journal(self.journal) as journal:
                journal.check()
                journal.status()
            self.found.copies += 1

    def check_copy(self) -> None:
        """A copy as a power loss would leave it opens, and is whole."""
        journal_file, copy = Path(self.journal), self.place / "copy"
        for end in ("", "-wal"):
            source = journal_file.with_name(journal_file.name + end)
            if source.exists():
                shutil.copy(source, copy.with_name(copy.name + end))
        with Journal(copy, create=False) as journal:
            journal.check()
            journal.status()
        self.found.copies += 1
        for left in self.place.glob("copy*"):
            left.unlink()

    def finish(self) -> None:
        """Run to the end and compare."""
        for survivor in self.workers:
            survivor.communicate(timeout=PATIENCE)
        for _attempt in range(3):
            worker = self.start()
            told, _ = worker.communicate(timeout=PATIENCE)
            if worker.returncode == 0:
                break
        unknown = json.loads(told) if worker.returncode == UNFINISHED else []
        if worker.returncode not in (0, UNFINISHED):
            self.problem(f"the last worker ended with {worker.returncode}")
        self.compare(set(unknown))
        self.client.close()
        shutil.rmtree(self.place)

    def problem(self, text: str) -> None:
        self.found.problems.append(f"round {self.found.rounds}: {text}")

    def compare(self, unknown: set[str]) -> None:
        self.found.rounds += 1
        self.found.documents += DOCUMENTS
        self.found.unknown += len(unknown)
        if unknown and not self.undecidable:
            self.problem(f"unknown, though it could be decided: {sorted(unknown)}")
        sent = Counter(
            (part.file_name, part.sha256) for request in self.uploads() for part in request.parts
        )
        self.found.uploads += sum(n for (name, _), n in sent.items() if name and name[0].isdigit())
        with Journal(self.journal, create=False) as journal:
            documents = {document.name: document for document in journal.documents()}
            stored = {
                (results.batch_id, file.file_name): file.to_dict()
                for results in journal.results()
                for file in results
            }
        for path in self.place.glob("*.pdf"):
            name, digest = path.name, hashlib.sha256(path.read_bytes()).hexdigest()
            times = sent[name, digest]
            if name in unknown:
                if times > 1:
                    self.problem(f"{name} is unknown and was uploaded {times} times")
                continue
            document = documents[name]
            if times != 1:
                self.problem(f"{name} was uploaded {times} times")
            if document.state != "finished" or document.sha256 != digest:
                self.problem(f"{name} is {document.state}")
                continue
            batch_id = document.batch_id or ""
            at_service = self.client.extractions.results(self.extraction_id, batch_id)
            own = next(file.to_dict() for file in at_service if file.file_name == name)
            if stored.get((batch_id, name)) != own:
                self.problem(f"{name} has other results in the journal")


def run(kills: int, seed: int, server: PostgresServer | None, workers: int) -> Found:
    """Kill so often; return what was found."""
    chance, found, number = random.Random(seed), Found(), 0
    with Emulator(processing_time=0.15, seed=seed) as emulator:
        relay = Relay(int(emulator.base_url.split(":")[2].split("/")[0]))
        while sum(found.kills.values()) < kills and not found.problems:
            this = Round(emulator, relay, chance, found, number, server, workers)
            uploading = [*UPLOADING, chance.choice(UPLOADING), "random"]
            steps = chance.sample(uploading, k=7) + chance.sample(WAITING, k=4)
            left = kills - sum(found.kills.values())
            for step in steps[:left]:
                this.kill(step)
            this.finish()
            number += 1
    return found


def main() -> int:
    if sys.argv[1:2] == ["--work"]:  # Ids begin with a dash: not for argparse.
        return work(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--journal", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        postgres = options.journal == "postgres"
        server = stack.enter_context(PostgresServer()) if postgres else None
        found = run(options.kills, options.seed, server, options.workers)
    told = {**vars(found), "kills": dict(found.kills), "seconds": round(time.monotonic() - started)}
    print(json.dumps(told) if options.json else json.dumps(told, indent=2))
    return bool(found.problems)


if __name__ == "__main__":
    sys.exit(main())
