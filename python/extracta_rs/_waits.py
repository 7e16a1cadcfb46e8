"""Waits on many batches, for both faces: how they begin, and the iterators over the results."""

from __future__ import annotations

import threading
import weakref
from collections.abc import AsyncIterable, Iterable, Sized
from typing import TYPE_CHECKING, Self

from ._shared import WaitOptions, name_batches

if TYPE_CHECKING:
    import asyncio

    from . import _core
    from .models import BatchRef, BatchResults


class _Waiting:
    """The batches that are waited on, and what the iterable that gives them has raised."""

    def __init__(self, raw: _core.WaitMany, kind: str) -> None:
        self._raw = raw
        self._kind = kind
        self._error: Exception | None = None

    def _add(self, batch: BatchRef | str) -> None:
        self._raw.add(name_batches(self._kind, [batch]))

    def _finish(self, error: Exception | None) -> None:
        self._error = error
        self._raw.finish()

    def _raise_error(self) -> None:
        """Raise, once and behind the last result, what the iterable has raised."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error


class BatchIterator(_Waiting):
    """Gives the results of batches as they finish; `close` stops the waiting."""

    def __init__(
        self,
        client: _core.Client,
        kind: str,
        batches: Iterable[BatchRef | str],
        options: WaitOptions,
    ) -> None:
        known = name_batches(kind, batches) if isinstance(batches, Sized) else []
        super().__init__(client.wait_many(known, options), kind)
        if isinstance(batches, Sized):
            self._raw.finish()
        else:
            feed = (weakref.ref(self), iter(batches))
            threading.Thread(
                target=_feed, args=feed, name="extracta-wait-many", daemon=True
            ).start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> BatchResults:
        results = self._raw.next().wait()
        if results is not None:
            return results
        self._raise_error()
        raise StopIteration

    def close(self) -> None:
        """Stop waiting; the batches go on at the service."""
        self._raw.stop()


def _feed(waiting: weakref.ref[BatchIterator], batches: Iterable[BatchRef | str]) -> None:
    """Add batches as they come, for as long as somebody iterates over the results."""
    error = None
    try:
        for batch in batches:
            iterator = waiting()
            if iterator is None:
                return
            iterator._add(batch)
            del iterator
    except Exception as caught:  # noqa: BLE001  the iterator raises it
        error = caught
    iterator = waiting()
    if iterator is not None:
        iterator._finish(error)


class AsyncBatchIterator(_Waiting):
    """Gives the results of batches as they finish; `aclose` stops the waiting."""

    def __init__(
        self,
        client: _core.Client,
        kind: str,
        batches: Iterable[BatchRef | str] | AsyncIterable[BatchRef | str],
        options: WaitOptions,
    ) -> None:
        self._growing = batches if isinstance(batches, AsyncIterable) else None
        known = [] if isinstance(batches, AsyncIterable) else name_batches(kind, batches)
        super().__init__(client.wait_many(known, options), kind)
        self._feeding: asyncio.Task[None] | None = None
        if self._growing is None:
            self._raw.finish()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BatchResults:
        if self._growing is not None:
            import asyncio  # The blocking client does without it: a third of its import time.

            feed = _feed_on_loop(weakref.ref(self), self._growing)
            self._feeding = asyncio.create_task(feed)
            self._growing = None
        results = await self._raw.next()
        if results is not None:
            return results
        self._raise_error()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Stop waiting; the batches go on at the service."""
        if self._feeding is not None:
            self._feeding.cancel()
        self._raw.stop()


async def _feed_on_loop(
    waiting: weakref.ref[AsyncBatchIterator], batches: AsyncIterable[BatchRef | str]
) -> None:
    """Add batches as they come, for as long as somebody iterates over the results."""
    error = None
    try:
        async for batch in batches:
            iterator = waiting()
            if iterator is None:
                return
            iterator._add(batch)
            del iterator
    except Exception as caught:  # noqa: BLE001  the iterator raises it
        error = caught
    iterator = waiting()
    if iterator is not None:
        iterator._finish(error)
