"""The client for asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from .. import _core
from .._base import BaseClient
from .._engine import Status, checking, fetching, token_of
from .._shared import (
    Seconds,
)
from ..models import BatchRef, BatchResults
from ._batch import AsyncBatch
from ._classifications import AsyncClassifications
from ._extractions import AsyncExtractions

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from types import TracebackType

    from ..journal import Journal
    from ..models import FileInput

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient(BaseClient):
    """A client of the Extracta.ai API for asyncio.

    One client may be used by many tasks at once, and after a fork. Use it as a context
    manager, or `await aclose()` it. Its `repr` shows no key, and its pickle holds none: an
    unpickled client takes `EXTRACTA_API_KEY` from its own environment.

    Attributes:
        extractions: extraction templates and their batches.
        classifications: classification templates and their batches.
    """

    _asyncio = True

    @property
    def extractions(self) -> AsyncExtractions:
        """Extraction templates and their batches."""
        return AsyncExtractions(self)

    @property
    def classifications(self) -> AsyncClassifications:
        """Classification templates and their batches."""
        return AsyncClassifications(self)

    async def credits(self) -> int:
        """Return how many credits are left. See `Client.credits`."""
        return await self._raw.credits()

    async def submit(
        self,
        extraction_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        idempotency_label: str | None = None,
        journal: Journal | str | os.PathLike[str] | None = None,
        first_try: bool = False,
        settle_time: Seconds = 60.0,
        timeout: Seconds | None = 300.0,
    ) -> str:
        """Upload to an extraction under a label. See `AsyncExtractions.submit`."""
        return await self.extractions.submit(
            extraction_id,
            files,
            idempotency_label=idempotency_label,
            journal=journal,
            first_try=first_try,
            settle_time=settle_time,
            timeout=timeout,
        )

    async def check(
        self, token: str | BatchRef, *, waited: Seconds = 0.0, max_wait: Seconds = 0.0
    ) -> Status:
        """Look once at a batch, without waiting for it. See `Client.check`."""
        text = token_of(token)
        return Status._load(text, await checking(self._raw, text, waited, max_wait))

    async def fetch(self, token: str | BatchRef) -> BatchResults:
        """Fetch the results of a batch. See `Client.fetch`."""
        return await fetching(self._raw, token_of(token))

    def resume(self, token: str | BatchRef) -> AsyncBatch:
        """Return the batch that a token names, to wait on it; see `Client.resume`.

        Args:
            token: what `Batch.token()` or `WaitTimeoutError.token` gave, or a reference to a batch.

        Raises:
            ValueError: that is no token of a batch.
        """
        kind, resource_id, batch_id = _core.read_batch_token(token_of(token))
        return AsyncBatch(
            extraction_id=resource_id if kind == "extraction" else None,
            classification_id=resource_id if kind == "classification" else None,
            batch_id=batch_id,
            _client=self,
        )

    async def aclose(self) -> None:
        """Close the client; see `Client.close`."""
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
