"""Kill a run with a journal at each step and at random moments; nothing may be paid twice or lost.

    python benches/kill.py --kills 500 --seed 1

The service is an emulator in this process, behind a proxy that knows when a step is reached; the
worker is a process of its own that knows nothing of all this. After each kill a new worker goes
on with the journal, or, as after a loss of power, with a copy of the file and its `-wal` alone.
When a folder is done, the emulator's log says what was uploaded, and the journal is compared.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import http.server
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from extracta_rs import Client, Journal, RunIncompleteError
from extracta_rs.testing import Emulator

STEPS = (
    "intended",  # the intent is recorded, nothing has reached the service
    "body",  # half of the body has
    "carried out",  # all of it has, and there is no answer
    "answered",  # the answer is on its way to the worker
    "recorded",  # the batch is in the journal
    "waiting",  # a request for results came
    "result",  # the results are on their way to the worker
    "finished",  # the results are in the journal
)
DOCUMENTS = 36
SETTLE = 0.4


def work(base_url: str, key: str, extraction_id: str, folder: str, journal: str) -> int:
    """Be the worker: one run, to its end."""
    with Client(key, base_url=base_url, min_poll_spacing=0) as client:
        files = sorted(Path(folder).iterdir())
        try:
            for _ in client.extractions.run_many(
                extraction_id, files, journal=journal, concurrency=3, max_files_per_batch=3,
                settle_time=SETTLE, poll_interval=0.02, max_poll_interval=0.05,
            ):  # fmt: skip
                pass
        except RunIncompleteError as error:
            print(json.dumps([document.name for document in error.unknown]))
            return 3 if error.unknown and not error.failed else 4
    return 0


class Proxy(http.server.ThreadingHTTPServer):
    """Passes requests on; calls `reached(step)` at each step and cuts off where it is told to."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.target = urlsplit(target)
        self.url = f"http://127.0.0.1:{self.server_address[1]}{self.target.path}"
        self.hide_batches = False
        self.reached: Any = lambda _step: False
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Killed workers break connections; that is no news."""
        if not isinstance(sys.exception(), (OSError, http.client.HTTPException)):
            super().handle_error(request, client_address)


class Passing(http.server.BaseHTTPRequestHandler):
    """One connection of a worker."""

    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""

    def body(self) -> bytes | None:
        """Read the whole body; None where the worker was killed amid it."""
        if "content-length" in self.headers:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            return body if len(body) == length else None
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return b""
        pieces = []
        while size := self.rfile.readline():
            piece = self.rfile.read(int(size, 16))
            self.rfile.readline()
            if int(size, 16) == 0:
                return b"".join(pieces)
            pieces.append(piece)
        return None

    def do_POST(self) -> None:
        """Pass a request on."""
        uploads = self.path.endswith("/uploadFiles")
        polls = self.path.endswith("/getBatchResults")
        reached = self.server.reached
        self.close_connection = True
        if (uploads and reached("intended")) or (polls and reached("waiting")):
            return
        body = self.body()
        if body is None:
            return
        target = self.server.target
        onward = http.client.HTTPConnection(target.hostname or "", target.port, timeout=30)
        with contextlib.closing(onward):
            onward.putrequest("POST", self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    onward.putheader(name, value)
            onward.putheader("Content-Length", str(len(body)))
            onward.endheaders()
            half = len(body) // 2
            onward.send(body[:half])
            if uploads and reached("body"):
                return
            onward.send(body[half:])
            answer = onward.getresponse()
            content = answer.read()
        if uploads and reached("carried out"):
            return
        if self.server.hide_batches and self.path.endswith("/viewExtraction"):
            told = json.loads(content)
            told["extractionDetails"].pop("batches", None)
            content = json.dumps(told).encode()
        self.close_connection = False
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()
        done = polls and json.loads(content).get("files")
        if uploads:
            reached("answered")
        elif done:
            reached("result")


class Kills:
    """Folder after folder, until there were enough kills."""

    def __init__(self, kills: int, seed: int, base: Path) -> None:
        self.wanted = kills
        self.random = random.Random(seed)
        self.base = base
        self.counts: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self.workers: list[subprocess.Popen[bytes]] = []
        self.step: str | None = None
        self.hit = threading.Event()
        self.lock = threading.Lock()

    def reached(self, step: str) -> bool:
        """Kill the worker if this is the step to do it at."""
        with self.lock:
            if step != self.step or self.hit.is_set():
                return False
            if self.power:
                self.lose_power()
            for worker in self.workers:
                worker.kill()
            self.hit.set()
            return True

    def start(self, extraction_id: str, folder: Path) -> None:
        """Start a worker."""
        arguments = [self.proxy.url, "test-key", extraction_id, str(folder), str(self.journal)]
        command = [sys.executable, __file__, "--worker", *arguments]
        self.workers.append(subprocess.Popen(command, stdout=subprocess.PIPE))
        self.counts["workers started"] += 1

    def lose_power(self) -> None:
        """Keep what is on the disk at this moment, without locks and shared memory."""
        for worker in self.workers:
            worker.send_signal(signal.SIGSTOP)
            with contextlib.suppress(FileNotFoundError):
                while (state := Path(f"/proc/{worker.pid}/stat").read_text()) and (
                    state.rpartition(")")[2].split()[0] not in "TZ"
                ):
                    time.sleep(0.0005)
        self.counts["losses of power"] += 1
        copy = self.journal.parent.with_name(f"copy-{self.counts['losses of power']}")
        copy.mkdir()
        for suffix in ("", "-wal"):
            source = Path(f"{self.journal}{suffix}")
            if source.exists():
                shutil.copyfile(source, copy / f"run.journal{suffix}")
        self.copy = copy / "run.journal"

    def in_journal(self, state: str) -> int:
        """Count the batches in a state, from outside."""
        with contextlib.suppress(sqlite3.Error), contextlib.closing(
            sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True, timeout=5)
        ) as journal:  # fmt: skip
            sql = "SELECT count(*) FROM batches WHERE state = ?"
            return int(journal.execute(sql, [state]).fetchone()[0])
        return 0

    def one(self, extraction_id: str, folder: Path) -> bool:
        """Start a worker, or two, and kill it; return whether the folder is done."""
        self.hit.clear()
        self.copy: Path | None = None
        self.power = self.random.random() < 0.3
        enough = self.counts["kills"] >= self.wanted
        step = "none" if enough else self.random.choice([*STEPS, "random", "random"])
        self.step = step
        begun = {state: self.in_journal(state) for state in ("uploaded", "finished")}
        self.workers = []
        with self.lock:
            for _ in range(2 if self.random.random() < 0.2 else 1):
                self.start(extraction_id, folder)
        self.counts["with two workers"] += len(self.workers) == 2
        moment = time.monotonic() + (self.random.uniform(0.1, 1.2) if step == "random" else 1e9)
        watched = {"recorded": "uploaded", "finished": "finished"}.get(step)
        deadline = time.monotonic() + 120
        while not self.hit.is_set() and any(worker.poll() is None for worker in self.workers):
            if time.monotonic() > moment or (watched and self.in_journal(watched) > begun[watched]):
                self.reached(step)
            assert time.monotonic() < deadline, "a run hangs"
            time.sleep(0.001)
        codes = {worker.wait() for worker in self.workers}
        with self.lock:  # A kill is counted before it is looked for.
            self.step = None
        for worker in self.workers:
            assert worker.stdout
            worker.stdout.close()
        if not self.hit.is_set():
            assert codes == {0}, f"a worker ended with {codes}"
            return True
        self.steps[step] += 1
        self.counts["kills"] += len(self.workers)
        if self.copy:
            self.journal = self.copy
        if self.copy and self.copy.exists():  # Else the power went before there was a file.
            with Journal(self.journal, create=False) as journal:
                journal.check()
        return False

    def folder(self, number: int) -> tuple[Path, Counter[tuple[str, str]]]:
        """Make a folder of documents, and say what must be uploaded."""
        import hashlib

        folder = self.base / f"folder-{number}"
        folder.mkdir()
        wanted: Counter[tuple[str, str]] = Counter()
        for place in range(DOCUMENTS):
            content = b"%PDF-" + self.random.randbytes(self.random.choice([100, 5000, 150_000]))
            path = folder / f"factură {number}-{place}.pdf"
            path.write_bytes(content)
            wanted[path.name, hashlib.sha256(content).hexdigest()] += 1
        return folder, wanted

    def check(self, emulator: Emulator, extraction_id: str, wanted: Counter[Any]) -> None:
        """Compare the emulator's log with the folder, and the journal with the emulator."""
        uploads = [
            upload for upload in emulator.requests()
            if upload.endpoint == "uploadFiles" and upload.carried_out
            and upload.extraction_id == extraction_id
            and upload.batch_id != self.earlier
        ]  # fmt: skip
        sent = Counter(
            (part.file_name, part.sha256)
            for upload in uploads
            for part in upload.parts
            if part.file_name
        )
        assert sent == wanted, f"paid twice {sent - wanted}, lost {wanted - sent}"
        with Journal(self.journal, create=False) as journal:
            journal.check()
            assert journal.status()["finished"] == sum(wanted.values()), journal.status()
            stored = {
                batch: journal._raw.raw_results(row)
                for row, _kind, _resource, batch in journal._raw.finished(0, 10_000)
            }
        assert set(stored) == {upload.batch_id for upload in uploads}
        at = urlsplit(emulator.base_url)
        with contextlib.closing(http.client.HTTPConnection(at.hostname or "", at.port)) as service:
            for batch, results in stored.items():
                asked = json.dumps({"extractionId": extraction_id, "batchId": batch})
                headers = {"Authorization": "Bearer test-key", "Content-Type": "application/json"}
                service.request("POST", f"{at.path}/getBatchResults", asked, headers)
                assert service.getresponse().read() == results
        self.counts["documents"] += sum(wanted.values())
        self.counts["documents uploaded"] += sum(sent.values())
        self.counts["uploads carried out"] += len(uploads)
        self.counts["folders"] += 1

    def undecidable(self, extraction_id: str, folder: Path, emulator: Emulator) -> None:
        """Lose an answer where the service shows no batches: reported, and not sent again."""
        for path in sorted(folder.iterdir())[3:]:
            path.unlink()
        self.proxy.hide_batches = True
        self.step, self.power = "carried out", False
        self.hit.clear()
        self.workers = []
        with self.lock:
            self.start(extraction_id, folder)
        assert self.hit.wait(60)
        self.workers[0].wait()
        self.step, self.workers = None, [self.workers[0]]
        self.start(extraction_id, folder)
        out, _ = self.workers[1].communicate(timeout=60)
        assert self.workers[0].stdout
        self.workers[0].stdout.close()
        assert self.workers[1].returncode == 3, out
        assert sorted(json.loads(out)) == sorted(path.name for path in folder.iterdir())
        uploads = [
            upload for upload in emulator.requests()
            if upload.endpoint == "uploadFiles" and upload.extraction_id == extraction_id
            and upload.batch_id != self.earlier
        ]  # fmt: skip
        assert len(uploads) == 1
        with Journal(self.journal, create=False) as journal:
            assert journal.status()["unknown"] == 3
        self.proxy.hide_batches = False
        self.counts["unknown documents, where it cannot be decided"] += 3
        self.counts["kills"] += 1

    def run(self) -> None:
        """Do it all."""
        with Emulator(processing_time=0.05) as emulator:
            self.proxy = Proxy(emulator.base_url)
            self.proxy.reached = self.reached
            try:
                with Client("test-key", base_url=emulator.base_url) as client:
                    self.all(client, emulator)
            finally:
                for worker in self.workers:
                    worker.kill()
                    worker.wait()
                self.proxy.shutdown()
                self.proxy.server_close()

    def all(self, client: Client, emulator: Emulator) -> None:
        """Work through folders."""
        number = 0
        while self.counts["kills"] < self.wanted:
            number += 1
            folder, wanted = self.folder(number)
            (self.base / f"journal-{number}").mkdir()
            self.journal = self.base / f"journal-{number}" / "run.journal"
            fields = [{"key": "total", "description": "the total"}]
            extraction_id = client.extractions.create(f"{number}", fields=fields).extraction_id
            # An extraction without batches shows none, and a lost upload could not be decided.
            self.earlier = client.extractions.upload(extraction_id, ("a.pdf", b"%PDF")).batch_id
            if number % 10 == 1:
                self.undecidable(extraction_id, folder, emulator)
                continue
            while not self.one(extraction_id, folder):
                pass
            self.check(emulator, extraction_id, wanted)


def main() -> None:
    """Run with what the command line says."""
    if sys.argv[1:2] == ["--worker"]:
        sys.exit(work(*sys.argv[2:]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as base:
        kills = Kills(options.kills, options.seed, Path(base))
        kills.run()
    for name, count in sorted(kills.counts.items()):
        print(f"{count:6} {name}")
    for name in [*STEPS, "random"]:
        print(f"{kills.steps[name]:6} killed at: {name}")
    print(f"{time.monotonic() - began:6.0f} s")


if __name__ == "__main__":
    main()
