"""Kills Celery workers while documents go through the ready tasks; looks at what became of them.

    python benches/celery_kill.py [--documents 1000] [--pause 0.7] [--seed 1] [--json]

A Redis server and three workers (prefork, threads, solo) are started. Each document is a chain of
`upload` and `collect`. Until all are stored something is killed (SIGKILL) every `--pause` seconds
or so: a child of the prefork pool, a whole worker with its children, or its main process alone;
what was killed is started again. Redis may lose a message between handing it to a worker and noting
that it did: where it has no message left, documents without results are sent again with the same
label, and counted.

In the end the emulator's log says how often each document was uploaded, and the folder of results
how often it was stored. Exits with 1 if that is not once for each.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import redis
from celery import Celery

from extracta_rs import Client, Journal, original_name
from extracta_rs.celery import Folder, Tasks
from extracta_rs.testing import Emulator

FIELDS = [{"key": "total", "description": "the total", "example": "12.50"}]
POOLS = ("prefork", "threads", "solo")
VISIBILITY, LOST_WAIT = 6, 2.0
STARTING = 8.0  # without new results: workers get time to start, however slow the machine is
PATIENCE = 4.0  # with no message at the broker and no new results
SPACING = 0.1  # of all processes together, so that there is time to kill
KILLED = ("a child of the pool", "a whole worker", "a main process alone")


def project(broker: str, place: Path) -> tuple[Celery, Tasks]:
    """Return the app as the workers and the sender have it."""
    app = Celery("kill", broker=broker)
    app.conf.task_ignore_result = True
    app.conf.worker_lost_wait = LOST_WAIT
    app.conf.broker_transport_options = {
        "visibility_timeout": VISIBILITY,
        "unacked_mutex_expire": 5,  # or what a killed worker held waits for 5 minutes
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        "unacked_restore_limit": 1000,
    }
    ready = Tasks(
        app,
        store=Folder(place / "results"),
        journal=place / "uploads.journal",
        client=lambda limiter: Client(
            min_poll_spacing=SPACING, connect_timeout=2.0, limiter=limiter
        ),
        settle_time=1.0,
    )
    return app, ready


if "CELERY_KILL_PLACE" in os.environ:  # a worker imports this file
    app, ready = project(os.environ["CELERY_KILL_BROKER"], Path(os.environ["CELERY_KILL_PLACE"]))


class Workers:
    """The workers, of which there is always one for each pool."""

    def __init__(self, place: Path, environment: dict[str, str], chance: random.Random) -> None:
        self._place, self._environment, self._chance = place, environment, chance
        self._running = {pool: self._start(pool) for pool in POOLS}
        self._orphaned: list[int] = []
        self.kills: Counter[str] = Counter()
        self.gave_up = 0

    def _start(self, pool: str) -> subprocess.Popen[bytes]:
        options = ["--pool", pool, "--concurrency", "2", "--hostname", f"{pool}@kill"]
        quiet = [
            "--loglevel",
            os.environ.get("CELERY_KILL_LOG", "WARNING"),
            "--without-gossip",
            "--without-mingle",
        ]
        with (self._place / f"{pool}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "celery_kill", "worker", *options, *quiet],
                cwd=Path(__file__).parent,
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill something, and start it again."""
        for pool, worker in self._running.items():
            if worker.poll() is not None:  # it gives up where a child dies while it starts
                self.gave_up += 1
                self._running[pool] = self._start(pool)
        how = self._chance.choices(KILLED, weights=(3, 1, 1))[0]
        pool = "prefork" if how == KILLED[0] else self._chance.choice(POOLS)
        worker = self._running[pool]
        if how == KILLED[0]:
            if (children := children_of(worker.pid)) and self._signal(
                self._chance.choice(children)
            ):
                self.kills[f"{how}, prefork"] += 1
            return
        if how == KILLED[1]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
        worker.kill()
        worker.wait()
        self._orphaned.append(worker.pid)
        self.kills[f"{how}, {pool}"] += 1
        self._running[pool] = self._start(pool)

    def _signal(self, pid: int) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            return True
        return False

    def end(self) -> None:
        """Stop all."""
        for group in [*self._orphaned, *(worker.pid for worker in self._running.values())]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        for worker in self._running.values():
            worker.wait()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    with contextlib.suppress(OSError):
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [int(child) for child in told.split()]
    return []


@contextlib.contextmanager
def redis_server(place: Path):  # type: ignore[no-untyped-def]
    """Start a Redis server; yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen([*command, "--dir", place], stdout=subprocess.DEVNULL) as server:
        try:
            with redis.Redis(port=port) as connection:
                deadline = time.monotonic() + 10
                while True:
                    try:
                        connection.ping()
                        break
                    except redis.ConnectionError:
                        if time.monotonic() > deadline:
                            raise
                        time.sleep(0.02)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


def stored(place: Path) -> Counter[str]:
    """Count how often each document is among the results."""
    return Counter(
        original_name(file["fileName"])
        for path in (place / "results").glob("*/*.json")
        for file in json.loads(path.read_text(encoding="utf-8"))["files"]
    )


def uploaded(emulator: Emulator) -> Counter[str]:
    """Count how often each document was uploaded."""
    return Counter(
        original_name(part.file_name)
        for request in emulator.requests()
        if request.endpoint == "uploadFiles" and request.carried_out
        for part in request.parts
        if part.file_name and part.file_name.startswith("xr-")
    )


def run(count: int, pause: float, seed: int) -> dict[str, object]:
    """Send so many documents, kill until they are stored; return what was found."""
    chance = random.Random(seed)
    place = Path(tempfile.mkdtemp(prefix="extracta-celery-"))
    names = [f"{number:04}.pdf" for number in range(count)]
    for name in names:
        (place / name).write_bytes(b"%PDF" + chance.randbytes(chance.choice([10, 1000, 100_000])))
    with redis_server(place) as broker, Emulator(processing_time=0.5, seed=seed) as emulator:
        environment = {
            "CELERY_KILL_BROKER": broker,
            "CELERY_KILL_PLACE": str(place),
            "EXTRACTA_API_KEY": emulator.api_key,
            "EXTRACTA_BASE_URL": emulator.base_url,
        }
        _, tasks = project(broker, place)
        with Client(emulator.api_key, base_url=emulator.base_url) as client:
            made = client.extractions.create("Kill", fields=FIELDS).extraction_id
            # So that the list of batches is never empty.
            client.extractions.upload(made, ("before.pdf", b"%PDF"))

        def send(some: list[str]) -> None:
            for name in some:
                tasks.extract(made, str(place / name), label=name, first_look=0).delay()

        send(names)
        workers = Workers(place, environment, chance)
        try:
            again = kill_until_stored(broker, workers, names, place, pause, chance, send)
        finally:
            workers.end()
        sent, kept = uploaded(emulator), stored(place)
    problems = [f"{name} was uploaded {sent[name]} times" for name in names if sent[name] != 1]
    problems += [f"{name} was stored {kept[name]} times" for name in names if kept[name] != 1]
    with Journal(place / "uploads.journal", create=False) as journal:
        journal.check()
    logs = "".join(path.read_text("utf-8", "replace") for path in place.glob("*.log"))
    return {
        "documents": count,
        "uploaded_once": sum(sent[name] == 1 for name in names),
        "stored_once": sum(kept[name] == 1 for name in names),
        "kills": dict(workers.kills),
        "killed": sum(workers.kills.values()),
        "workers_that_gave_up": workers.gave_up,
        "lost_by_the_broker": again,
        "failed_tasks": logs.count("raised unexpected"),
        "problems": problems,
        "place": str(place),
    }


def messages(broker: str) -> int:
    """Count the messages that the broker has, those among them that a worker holds."""
    with redis.Redis.from_url(broker) as connection:
        return int(connection.llen("celery")) + int(connection.hlen("unacked"))


def kill_until_stored(broker, workers, names, place, pause, chance, send) -> int:  # type: ignore[no-untyped-def]
    """Kill, until all are stored; return how many were sent again."""
    again, known, changed = 0, 0, time.monotonic()
    while (kept := stored(place)).total() < len(names):
        now = time.monotonic()
        if kept.total() > known:
            known, changed = kept.total(), now
        if now - changed > PATIENCE and not messages(broker):
            missing = [name for name in names if not kept[name]]
            send(missing)
            again += len(missing)
            changed = now
        if now - changed < STARTING or chance.random() < 0.1:
            workers.kill()
        time.sleep(chance.uniform(0.5, 1.5) * pause)
    return again


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--pause", type=float, default=0.7, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print one JSON object on one line")
    options = parser.parse_args()
    started = time.monotonic()
    found = run(options.documents, options.pause, options.seed)
    found["seconds"] = round(time.monotonic() - started)
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))
    return bool(found["problems"])


if __name__ == "__main__":
    sys.exit(main())
