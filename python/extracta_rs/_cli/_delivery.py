"""One delivery as `extracta-rs listen` keeps it, and as JSON for its page and for programs.

Of what a body says only what is shown is kept, bounded: parsed JSON takes many times its bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .. import WebhookPayloadError, explain_signature, sign, unwrap
from ._pretty import pretty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .. import FileResult, SignatureReport, WebhookEvent
    from ._endpoint import Answer

MOST_FILES = 100
MOST_STATUSES = 10
MOST_TEXT = 300
MOST_BODY_TEXT = 512 << 10


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that a delivery was sent to the app.

    Attributes:
        time: when, in seconds since 1970.
        replay: whether somebody asked for it, after the delivery itself.
        answer: what came of it.
    """

    time: float
    replay: bool
    answer: Answer


@dataclass(frozen=True, slots=True)
class Content:
    """What a body says, as far as it is shown. Nobody vouches for it where the signature fails.

    Attributes:
        event: the event; None in a legacy delivery.
        consistent: whether the event, which is not signed, fits the files.
        count: how many files there are.
        statuses: how many files have which status, the most frequent ones.
        batches: the batches that the first files name.
        files: the first files.
    """

    event: str | None
    consistent: bool
    count: int
    statuses: dict[str, int]
    batches: list[str | None]
    files: list[dict[str, str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery.

    Attributes:
        id: counts from 1.
        time: when it was received, in seconds since 1970.
        path: the path that it was sent to.
        headers: its headers, as they came.
        body: its body, as it came.
        report: whether the signature holds, and why not.
        content: what the body says; None where it has not the shape of an event.
        problem: what is wrong with a body whose signature holds.
        answered: what the sender was answered; None until then.
        attempts: the latest of the times that it was sent to the app.
        version: the number of the change that made it what it is.
    """

    id: int
    time: float
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    report: SignatureReport
    content: Content | None
    problem: str | None
    answered: int | None = None
    attempts: tuple[Attempt, ...] = ()
    version: int = 0

    @property
    def size(self) -> int:
        """About how many bytes it takes to keep it."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers)


def read(body: bytes, signature: str | None, secrets: Sequence[str]) -> dict[str, Any]:
    """Return `report`, `content` and `problem` of a delivery."""
    report = explain_signature(body, signature, list(secrets))
    content, problem = None, None
    try:
        if report.valid:
            content = summed_up(unwrap(body, signature, list(secrets)))
        else:
            # Signed by us, so that the same code reads what nobody vouches for.
            content = summed_up(unwrap(body, sign(body, "nobody"), "nobody"))
    except (WebhookPayloadError, ValueError) as error:
        problem = str(error) if report.valid else None
    return {"report": report, "content": content, "problem": problem}


def summed_up(event: WebhookEvent) -> Content:
    """Return what is shown of an event."""
    statuses = Counter(short(file.status) or "no status" for file in event.files)
    first = event.files[:MOST_FILES]
    return Content(
        event=short(event.event),
        consistent=event.event_consistent,
        count=len(event.files),
        statuses=dict(statuses.most_common(MOST_STATUSES)),
        batches=list(dict.fromkeys(short(file.batch_id) for file in first if file.batch_id)),
        files=[_file(file) for file in first],
    )


def _file(file: FileResult) -> dict[str, str | None]:
    return {
        "file_name": short(file.file_name),
        "status": short(file.status),
        "error": short(file.error),
        "file_id": short(file.file_id),
        "batch_id": short(file.batch_id),
        "extraction_id": short(file.extraction_id),
        "classification_id": short(file.classification_id),
    }


def short(text: str | None) -> str | None:
    """Return a text of a body without what would be too long to look at."""
    if text is None or len(text) <= MOST_TEXT:
        return text
    return text[: MOST_TEXT - 1] + "…"


def summary(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery without its body, as JSON."""
    content, report = delivery.content, delivery.report
    return {
        "id": delivery.id,
        "time": iso(delivery.time),
        "path": short(delivery.path),
        "bytes": len(delivery.body),
        "event": content.event if content else None,
        "legacy": content is not None and content.event is None,
        "event_consistent": content.consistent if content else None,
        "file_count": content.count if content else None,
        "statuses": content.statuses if content else {},
        "batch_ids": content.batches if content else [],
        "files": content.files if content else [],
        "valid": report.valid,
        "matched": report.matched,
        "secret_index": report.secret_index,
        "reason": report.reason,
        "hint": report.hint,
        "problem": delivery.problem,
        "answered": delivery.answered,
        "attempts": [attempt_json(attempt) for attempt in delivery.attempts],
    }


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """Return what the app said, as JSON."""
    return {
        "time": iso(attempt.time),
        "replay": attempt.replay,
        "status": attempt.answer.status,
        "error": attempt.answer.error,
        "ms": round(attempt.answer.seconds * 1000),
    }


def detail(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery with its headers and its body, pretty-printed, as JSON."""
    text, kind = pretty(delivery.body, MOST_BODY_TEXT)
    return {
        **summary(delivery),
        "attempts": [
            {**attempt_json(attempt), "text": attempt.answer.text} for attempt in delivery.attempts
        ],
        "headers": delivery.headers,
        "body": {"text": text[:MOST_BODY_TEXT], "kind": kind, "cut": len(text) > MOST_BODY_TEXT},
    }


def iso(seconds: float) -> str:
    """Return a time as text, in UTC."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
