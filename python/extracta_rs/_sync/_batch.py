"""A batch, blocking."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from .._shared import (
    Seconds,
    wait_options,
)
from ..models import BatchRef, BatchResults, UploadedFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._client import Client

__all__ = ["Batch"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch(BatchRef):
    """A batch that can be waited on.

    Attributes:
        files: the files as the service accepted them; empty for a batch that was resumed.
    """

    files: list[UploadedFile] = field(default_factory=list)
    _client: Client = field(repr=False, compare=False)

    def results(self) -> BatchResults:
        """Ask once for the results; see `Extractions.results`."""
        return self._client._raw.results(*self._name(), None).wait()

    def wait(
        self,
        *,
        timeout: Seconds | None = 900.0,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
        on_progress: Callable[[BatchResults], object] | None = None,
    ) -> BatchResults:
        """Wait until the batch is finished; see `Extractions.wait`."""
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        return self._client._raw.wait(*self._name(), options, on_progress).wait()
