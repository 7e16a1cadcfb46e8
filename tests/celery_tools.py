"""A Redis server and Celery workers in processes of their own, for the tests of the ready tasks."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from extracta_rs import Client, original_name
from extracta_rs.testing import Emulator

CHILDREN = Path(__file__).parent / "children"
FIELDS = [{"key": "total", "description": "the total", "example": "12.50"}]


def wait_for(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it does not come to be"
        time.sleep(0.01)


def load_project(broker: str, place: Path, *, journal: bool) -> tuple[Any, Any]:
    """Return the workers' app and tasks, to send with."""
    spec = importlib.util.spec_from_file_location("celery_app", CHILDREN / "celery_app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app, tasks = module.project(broker, place, journal=journal)
    return app, tasks


class Site:
    """An emulator with an extraction, a project's app and tasks, and workers for them."""

    def __init__(
        self,
        broker: str,
        place: Path,
        stack: contextlib.ExitStack,
        *,
        journal: bool = True,
        processing_time: float = 0.4,
    ) -> None:
        self.worker: subprocess.Popen[bytes] | None = None
        self.place, self.journal, self._broker, self._stack = place, journal, broker, stack
        self.emulator = stack.enter_context(Emulator(processing_time=processing_time))
        self.client = Client(
            self.emulator.api_key, base_url=self.emulator.base_url, min_poll_spacing=0
        )
        stack.callback(self.client.close)
        self.extraction_id = self.client.extractions.create("C", fields=FIELDS).extraction_id
        # Where an extraction has no batch the emulator shows no list of them.
        self.client.extractions.upload(self.extraction_id, ("before.pdf", b"%PDF"))
        self.app, self.tasks = load_project(broker, place, journal=journal)
        stack.callback(self.app.close)

    def start(self, pool: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker, which is killed at the end; return once it takes tasks."""
        log = self.place / f"{len(list(self.place.glob('*.log')))}.log"
        options = ["--pool", pool, "-c", "2", "-l", "INFO", "--without-gossip", "--without-mingle"]
        with log.open("wb") as file:
            worker = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "celery_app", "worker", *options],
                cwd=CHILDREN,
                env={
                    **os.environ,
                    "CELERY_TEST_BROKER": self._broker,
                    "CELERY_TEST_PLACE": str(self.place),
                    "CELERY_TEST_JOURNAL": "yes" if self.journal else "no",
                    "EXTRACTA_API_KEY": self.emulator.api_key,
                    "EXTRACTA_BASE_URL": self.emulator.base_url,
                    **environment,
                },
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._stack.callback(kill_all, worker)
        wait_for(lambda: " ready." in log.read_text(encoding="utf-8"))
        return worker

    def use_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let tasks that run in this process find the emulator."""
        monkeypatch.setenv("EXTRACTA_API_KEY", self.emulator.api_key)
        monkeypatch.setenv("EXTRACTA_BASE_URL", self.emulator.base_url)

    def queued(self) -> list[Any]:
        """Return the messages that no worker has taken."""
        with redis.Redis.from_url(self._broker) as connection:
            return [json.loads(text) for text in connection.lrange(self.place.name, 0, -1)]

    def extract(self, *arguments: Any, **options: Any) -> Any:
        """Return the chain for documents, which looks as soon as it can."""
        return self.tasks.extract(*arguments, first_look=0, **options)

    def document(self, name: str) -> str:
        """Write a document; return its path."""
        path = self.place / name
        path.write_bytes(b"%PDF " + name.encode())
        return str(path)

    def uploads(self) -> Counter[str]:
        """Count how often each document was taken by the service."""
        return Counter(
            original_name(part.file_name or "")
            for request in self.emulator.requests()
            if request.endpoint == "uploadFiles" and request.carried_out
            for part in request.parts
            if part.file_name and part.file_name.startswith("xr-")
        )

    def asked(self, batch_id: str) -> int:
        """Count the requests for the results of a batch."""
        return sum(
            request.endpoint == "getBatchResults" and request.batch_id == batch_id
            for request in self.emulator.requests()
        )

    def files(self) -> list[Path]:
        """Return the files of results, drafts among them."""
        return [path for path in (self.place / "results").rglob("*") if path.is_file()]


def kill_all(worker: subprocess.Popen[bytes]) -> None:
    """Kill a worker and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in told.split()]
