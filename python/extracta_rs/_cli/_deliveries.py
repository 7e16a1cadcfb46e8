"""The latest deliveries: what came, whether its signature holds, what the app answered.

Bounded in number and in bytes. Whoever shows them waits here for what is new.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .. import WebhookPayloadError, explain_signature, sign, unwrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .. import SignatureReport, WebhookEvent
    from ._endpoint import Answer

MOST_KEPT_BYTES = 64 << 20
MOST_ATTEMPTS = 20
MOST_FILES_SHOWN = 100
MOST_TEXT = 300

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What the app said to a delivery.

    Attributes:
        time: when it was sent, seconds since 1970.
        replay: whether somebody asked for it, after the delivery itself.
        answer: what came of it.
    """

    time: float
    replay: bool
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery.

    Attributes:
        id: counts from 1.
        time: when it was received, seconds since 1970.
        path: the path that it was sent to.
        headers: its headers, as they came.
        body: its body, as it came.
        report: whether the signature holds, and why not.
        event: what is in it, verified only if the report says so; None where it is no delivery.
        problem: what is wrong with a body whose signature holds; or None.
        answered: what its sender was answered; None until then.
        attempts: the latest of the times that it was sent to the app.
        version: the number of the change that made it what it is.
    """

    id: int
    time: float
    path: str
    headers: Headers
    body: bytes
    report: SignatureReport
    event: WebhookEvent | None
    problem: str | None
    answered: int | None = None
    attempts: tuple[Attempt, ...] = ()
    version: int = 0

    @property
    def size(self) -> int:
        """About how many bytes it takes to keep it."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers)


def read(body: bytes, signature: str | None, secrets: Sequence[str]) -> dict[str, Any]:
    """Return what the body and the signature of a delivery come to: fields of `Delivery`."""
    report = explain_signature(body, signature, secrets)
    event, problem = None, None
    try:
        if report.valid:
            event = unwrap(body, signature, secrets)
        else:
            # Signed by us, so that what nobody vouches for is read by the same rules.
            event = unwrap(body, sign(body, "unverified"), "unverified")
    except (WebhookPayloadError, ValueError) as error:
        problem = str(error) if report.valid else None
    return {"report": report, "event": event, "problem": problem}


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
        """Keep a delivery; the oldest ones go where there is no room for it."""
        with self._changed:
            self._count += 1
            delivery = Delivery(id=self._count, **fields)
            self._bytes += delivery.size
            while self._kept and (
                len(self._kept) >= self._keep or self._bytes > MOST_KEPT_BYTES
            ):
                self._bytes -= self._kept.pop(next(iter(self._kept))).size
            return self._put(delivery)

    def answered(self, id: int, status: int) -> Delivery | None:
        """Note what the sender was answered; None where the delivery is not kept any more."""
        with self._changed:
            found = self._kept.get(id)
            return found and self._put(replace(found, answered=status))

    def attempted(self, id: int, attempt: Attempt) -> Delivery | None:
        """Note that a delivery was sent to the app."""
        with self._changed:
            found = self._kept.get(id)
            if found is None:
                return None
            attempts = (*found.attempts, attempt)[-MOST_ATTEMPTS:]
            return self._put(replace(found, attempts=attempts))

    def get(self, id: int) -> Delivery | None:
        """Return a delivery that is kept."""
        with self._changed:
            return self._kept.get(id)

    def changes(self, since: int, timeout: float) -> tuple[int, int, list[Delivery]] | None:
        """Wait for changes after the version `since`.

        Returns:
            The version, the oldest id that is kept (0: none is), and the deliveries that changed
            in order of their ids: none when the time is over. None once this is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._version > since, timeout)
            if self._closed:
                return None
            changed = [each for each in self._kept.values() if each.version > since]
            return self._version, next(iter(self._kept), 0), changed

    def close(self) -> None:
        """Wake up all who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _put(self, delivery: Delivery) -> Delivery:
        self._version += 1
        delivery = self._kept[delivery.id] = replace(delivery, version=self._version)
        self._changed.notify_all()
        return delivery
