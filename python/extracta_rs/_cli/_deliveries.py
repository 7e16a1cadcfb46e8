"""Keeps the latest deliveries, bounded in number and in bytes; who shows them waits here."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

from ._delivery import Attempt, Delivery

MOST_BYTES = 64 << 20
MOST_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since a version.

    Attributes:
        version: the version now.
        oldest: the oldest id that is kept.
        deliveries: those that are new or other, in the order of their ids.
    """

    version: int
    oldest: int
    deliveries: list[Delivery]


class Deliveries:
    """The latest deliveries.

    Args:
        keep: how many to keep at most.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._kept: dict[int, Delivery] = {}
        self._bytes = 0
        self._count = 0
        self._version = 0
        self._closed = False
        self._changed = threading.Condition()

    def add(self, **fields: Any) -> Delivery:
        """Keep a new delivery; the oldest go where there is no room."""
        with self._changed:
            self._count += 1
            delivery = Delivery(id=self._count, **fields)
            self._bytes += delivery.size
            while self._kept and (len(self._kept) >= self._keep or self._bytes > MOST_BYTES):
                self._bytes -= self._kept.pop(next(iter(self._kept))).size
            return self._put(delivery)

    def update(
        self, delivery: Delivery, *, answered: int | None = None, attempt: Attempt | None = None
    ) -> Delivery:
        """Note what the sender was answered, or what the app said; return the delivery now."""
        with self._changed:
            kept = self._kept.get(delivery.id)
            now = kept or delivery
            if answered is not None:
                now = replace(now, answered=answered)
            if attempt is not None:
                now = replace(now, attempts=(*now.attempts, attempt)[-MOST_ATTEMPTS:])
            return self._put(now) if kept else now

    def get(self, number: int) -> Delivery | None:
        """Return the delivery of this id, if it is kept."""
        with self._changed:
            return self._kept.get(number)

    def changes(self, since: int, timeout: float) -> Changes | None:
        """Wait for changes after the version `since`.

        Args:
            since: 0 for all that is kept.
            timeout: seconds after which there may be no changes in what is returned.

        Returns:
            The changes; None once this is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._version > since, timeout)
            if self._closed:
                return None
            changed = [each for each in self._kept.values() if each.version > since]
            return Changes(self._version, next(iter(self._kept), 0), changed)

    def close(self) -> None:
        """Wake up all who wait; there will be no more changes."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put(self, delivery: Delivery) -> Delivery:
        self._version += 1
        delivery = self._kept[delivery.id] = replace(delivery, version=self._version)
        self._changed.notify_all()
        return delivery
