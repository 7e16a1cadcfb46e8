"""Runs with a journal, for both faces: how one begins, and the iterators over its results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ._shared import Seconds, WaitOptions, seconds
from .journal import Journal

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from . import _core
    from .models import FileInput, RunResults


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run is.

    Attributes:
        bytes_uploaded: bytes of documents that were handed to the connection; less again where an
            upload that surely was not carried out begins anew.
        bytes_skipped: bytes of documents that need no upload: the journal has them.
        batches: how many batches are in processing at the service, or were.
        batches_finished: how many of these have results.
    """

    bytes_uploaded: int
    bytes_skipped: int
    batches: int
    batches_finished: int


def start_run(
    raw: _core.Client,
    kind: str,
    resource_id: str,
    files: FileInput | Iterable[FileInput],
    journal: Journal | str | os.PathLike[str],
    concurrency: int,
    max_files_per_batch: int,
    settle_time: Seconds,
    options: WaitOptions,
) -> _core.RunMany:
    """Begin a run as the binding takes it."""
    for name, value in (("concurrency", concurrency), ("max_files_per_batch", max_files_per_batch)):
        if not 1 <= value < 2**31:
            raise ValueError(f"{name} must be a whole number from 1 on, not {value}")
    opened = journal if isinstance(journal, Journal) else Journal(journal)
    return raw.run_many(
        kind,
        resource_id,
        files,
        opened._raw,
        concurrency,
        max_files_per_batch,
        seconds(settle_time),
        options,
    )


class RunIterator:
    """Gives the results of a run's batches as they finish; `close` stops the run."""

    def __init__(self, raw: _core.RunMany) -> None:
        self._raw = raw

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> RunResults:
        results = self._raw.next().wait()
        if results is None:
            raise StopIteration
        return results

    def progress(self) -> RunProgress:
        """Return how far the run is; may be called on any thread."""
        return RunProgress(*self._raw.progress())

    def stop(self) -> None:
        """Begin no upload any more, and let those under way end: then the iterator ends, too.

        After `close` the next run must look whether an upload that was cut off was carried out;
        after this it need not. May be called on any thread.
        """
        self._raw.stop()

    def close(self) -> None:
        """Stop the run at once.

        The journal keeps where it stands; the next run goes on from there.
        """
        self._raw.close()


class AsyncRunIterator:
    """Gives the results of a run's batches as they finish; `aclose` stops the run."""

    def __init__(self, raw: _core.RunMany) -> None:
        self._raw = raw

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunResults:
        results = await self._raw.next()
        if results is None:
            raise StopAsyncIteration
        return results

    def progress(self) -> RunProgress:
        """Return how far the run is."""
        return RunProgress(*self._raw.progress())

    def stop(self) -> None:
        """Begin no upload any more. See `RunIterator.stop`."""
        self._raw.stop()

    async def aclose(self) -> None:
        """Stop the run. See `RunIterator.close`."""
        self._raw.close()
