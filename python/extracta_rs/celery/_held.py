"""What a worker process makes when it is first needed, and closes when it ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from celery import signals

if TYPE_CHECKING:
    from collections.abc import Callable


class Closable(Protocol):
    """Something that is to be closed."""

    def close(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closable)


class Held(Generic[T]):
    """One object for each process: a client, a journal.

    It is made by the first task, so in a child of the prefork pool after the fork, and never in
    a process that only sends tasks.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._value: T | None = None
        for ending in (signals.worker_process_shutdown, signals.worker_shutdown):
            ending.connect(self._close, weak=False)

    def get(self) -> T:
        """Return the object."""
        with self._lock:
            if self._value is None:
                self._value = self._make()
            return self._value

    def _close(self, **_signal: object) -> None:
        with self._lock:
            value, self._value = self._value, None
        if value is not None:
            value.close()
