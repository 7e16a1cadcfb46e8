"""A Celery project with the ready tasks, as the tests' workers and the tests themselves have it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery

from extracta_rs import Client
from extracta_rs.celery import Folder, Tasks


class Noted(Client):
    """A client that notes which process makes and closes it."""

    def __init__(self, place: Path, limiter: Any) -> None:
        self._note = place / "clients.txt"
        self._say("made")
        spacing = float(os.environ.get("CELERY_TEST_SPACING", "0.01"))
        super().__init__(min_poll_spacing=spacing, limiter=limiter)

    def _say(self, word: str) -> None:
        with self._note.open("a", encoding="ascii") as file:
            file.write(f"{word} {os.getpid()}\n")

    def close(self) -> None:
        self._say("closed")
        super().close()


def project(broker: str, place: Path, *, journal: bool = True) -> tuple[Celery, Tasks]:
    """Return the app and its tasks."""
    app = Celery("tests", broker=broker, backend=broker)
    app.conf.task_default_queue = place.name
    app.conf.worker_lost_wait = 1.0
    app.conf.broker_transport_options = {
        "visibility_timeout": 3,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
        # Apps of other tests share the server.
        "unacked_key": f"{place.name}-unacked",
        "unacked_index_key": f"{place.name}-index",
        "unacked_mutex_key": f"{place.name}-mutex",
    }
    tasks = Tasks(
        app,
        store=Folder(place / "results"),
        journal=place / "uploads.journal" if journal else None,
        client=lambda limiter: Noted(place, limiter),
        settle_time=0.5,
    )
    return app, tasks


if "CELERY_TEST_PLACE" in os.environ:
    app, tasks = project(
        os.environ["CELERY_TEST_BROKER"],
        Path(os.environ["CELERY_TEST_PLACE"]),
        journal=os.environ["CELERY_TEST_JOURNAL"] == "yes",
    )
