"""Submit, check, fetch: what task queues and schedulers call, for both faces.

Each is a step that ends soon and keeps nothing in memory that a later step needs, so that every
step may run in another process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeAlias

from . import _core
from ._shared import Seconds, seconds
from .journal import Journal

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from .models import BatchRef, BatchResults, FileInput

__all__ = ["Status", "original_name"]

Checked: TypeAlias = tuple[
    bool, str | None, tuple[int, int, int] | None, float, float | None, Exception | None
]
"""What the binding returns of a look: `Status` in the order of its fields, counts together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What one look at a batch found, or what was known before it.

    Attributes:
        token: the batch; for `check` and `fetch`.
        finished: whether the service answered this look that every file is in a final state.
        status: the vendor's word for the batch; None where nothing is known.
        files: how many files the batch has; None where the service does not tell (yet).
        done: how many of them are in a final state; None where the service does not tell.
        failed: how many of those failed; None where the service does not tell.
        retry_after: seconds after which another look is worth while: what the service asked for,
            what the limiter will let through, or what suits the time that has passed. 0.0 once it
            is finished. It is never 0.0 before.
        age: seconds since the service told this; 0.0: within this look; None: nothing is known.
        problem: why the service could not be asked (a broken connection, 429, 5xx), or None. It
            will pass: what does not is raised.
    """

    token: str
    finished: bool
    status: str | None
    files: int | None
    done: int | None
    failed: int | None
    retry_after: float
    age: float | None
    problem: Exception | None

    @classmethod
    def _load(cls, token: str, checked: Checked) -> Self:
        finished, status, counts, retry_after, age, problem = checked
        files, done, failed = counts or (None, None, None)
        return cls(
            token=token,
            finished=finished,
            status=status,
            files=files,
            done=done,
            failed=failed,
            retry_after=retry_after,
            age=age,
            problem=problem,
        )


def original_name(file_name: str) -> str:
    """Return a file's name as it was before `submit` marked it with a label.

    Args:
        file_name: the name that the service shows; one without a mark is returned as it is.

    Example:
        >>> original_name("xr-0123456789abcdef0123-invoice.pdf")
        'invoice.pdf'
    """
    return _core.original_name(file_name)


def token_of(batch: str | BatchRef) -> str:
    """Return the token of a batch, which may be given as one."""
    return batch if isinstance(batch, str) else batch.token()


def submitting(
    raw: _core.Client,
    kind: str,
    resource_id: str,
    files: FileInput | Iterable[FileInput],
    label: str | None,
    journal: Journal | str | os.PathLike[str] | None,
    first_try: bool,
    settle_time: Seconds,
    timeout: Seconds | None,
) -> _core.Call[str]:
    """Begin a submission as the binding takes it."""
    if label is None:
        if journal is not None:
            raise ValueError("a journal needs an idempotency_label: it is found by it")
        return _core.submit(raw, kind, resource_id, files, None, None, False, 0.0, None)
    if not isinstance(label, str):
        raise TypeError(f"idempotency_label must be a str, not {type(label).__name__}")
    opened = journal if isinstance(journal, Journal) or journal is None else Journal(journal)
    return _core.submit(
        raw,
        kind,
        resource_id,
        files,
        label,
        None if opened is None else opened._raw,
        first_try,
        seconds(settle_time),
        None if timeout is None else seconds(timeout),
    )


def checking(
    raw: _core.Client, token: str, waited: Seconds, max_wait: Seconds
) -> _core.Call[Checked]:
    """Begin a look as the binding takes it."""
    return _core.check(raw, *_core.read_batch_token(token), seconds(waited), seconds(max_wait))


def fetching(raw: _core.Client, token: str) -> _core.Call[BatchResults]:
    """Begin to fetch results as the binding takes it."""
    return _core.fetch(raw, *_core.read_batch_token(token))
