"""The blocking client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from .. import _core
from .._base import BaseClient
from .._engine import Status, checking, fetching, token_of
from .._shared import (
    Seconds,
)
from ..models import BatchRef, BatchResults
from ._batch import Batch
from ._classifications import Classifications
from ._extractions import Extractions

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from types import TracebackType

    from ..journal import Journal
    from ..models import FileInput

__all__ = ["Client"]

T = TypeVar("T")


class Client(BaseClient):
    """A client of the Extracta.ai API.

    One client may be used by many threads at once, and after a fork. Use it as a context
    manager, or `close()` it. Its `repr` shows no key, and its pickle holds none: an unpickled
    client takes `EXTRACTA_API_KEY` from its own environment.

    Attributes:
        extractions: extraction templates and their batches.
        classifications: classification templates and their batches.
    """

    @property
    def extractions(self) -> Extractions:
        """Extraction templates and their batches."""
        return Extractions(self)

    @property
    def classifications(self) -> Classifications:
        """Classification templates and their batches."""
        return Classifications(self)

    def credits(self) -> int:
        """Return how many credits are left."""
        return self._raw.credits().wait()

    def submit(
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
        """Upload to an extraction under a label. See `Extractions.submit`."""
        return self.extractions.submit(
            extraction_id,
            files,
            idempotency_label=idempotency_label,
            journal=journal,
            first_try=first_try,
            settle_time=settle_time,
            timeout=timeout,
        )

    def check(
        self, token: str | BatchRef, *, waited: Seconds = 0.0, max_wait: Seconds = 0.0
    ) -> Status:
        """Look once at a batch, without waiting for it.

        One request at most, and none where the limiter (`min_poll_spacing`) admits none now: then
        the last known state is returned, and when to come back. Where three or more batches of an
        extraction are looked at by this client, one look at the extraction serves all of them.

        Args:
            token: what `submit` or `Batch.token()` gave, or a reference to a batch.
            waited: seconds since the upload, where you know: `retry_after` grows with them, from
                `min_poll_spacing` to 15 s. This client counts from its own first look.
            max_wait: the most seconds to stand in line at the limiter. Waits of the same client
                (`wait_many`, ...) stand there, too: with 0.0 they may always be first.

        Returns:
            What is known; `finished` only where the service answered so.

        Raises:
            ValueError: that is no token of a batch.
            NotFoundError: there is no such batch.
            AuthenticationError: the key is wrong.
        """
        text = token_of(token)
        return Status._load(text, checking(self._raw, text, waited, max_wait).wait())

    def fetch(self, token: str | BatchRef) -> BatchResults:
        """Fetch the results of a batch, in one request that takes its turn at the limiter.

        Where this client's `check` has just found the batch finished, none is needed.

        Args:
            token: what `submit` or `Batch.token()` gave, or a reference to a batch.

        Returns:
            The results as they are now; `finished` tells whether they are complete.

        Raises:
            ValueError: that is no token of a batch.
            NotFoundError: there is no such batch.
        """
        return fetching(self._raw, token_of(token)).wait()

    def resume(self, token: str | BatchRef) -> Batch:
        """Return the batch that a token names, to wait on it.

        Args:
            token: what `Batch.token()` or `WaitTimeoutError.token` gave, or a reference to a batch.

        Raises:
            ValueError: that is no token of a batch.
        """
        kind, resource_id, batch_id = _core.read_batch_token(token_of(token))
        return Batch(
            extraction_id=resource_id if kind == "extraction" else None,
            classification_id=resource_id if kind == "classification" else None,
            batch_id=batch_id,
            _client=self,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
