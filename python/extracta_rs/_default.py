"""Functions over a default client, which is built from the environment when first needed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from ._async import AsyncBatch, AsyncClient
from ._sync import Batch, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._base import BaseClient
    from ._engine import Status
    from ._shared import Seconds
    from .journal import Journal
    from .models import BatchRef, BatchResults, FileInput

_C = TypeVar("_C", bound="BaseClient")
_clients: dict[tuple[type, str | None, str | None], BaseClient] = {}


def _default(kind: type[_C]) -> _C:
    """Return the client of this environment: a changed key or address makes a new one."""
    key = (kind, os.environ.get("EXTRACTA_API_KEY"), os.environ.get("EXTRACTA_BASE_URL"))
    client = _clients.get(key)
    if not isinstance(client, kind) or client.closed:
        client = _clients[key] = kind()
    return client


def upload_files(
    extraction_id: str,
    files: FileInput | Iterable[FileInput],
    *,
    batch_id: str | None = None,
    on_progress: Callable[[int, int | None], object] | None = None,
) -> Batch:
    """Upload files with a client from the environment; see `Extractions.upload`."""
    return _default(Client).extractions.upload(
        extraction_id, files, batch_id=batch_id, on_progress=on_progress
    )


async def upload_files_async(
    extraction_id: str,
    files: FileInput | Iterable[FileInput],
    *,
    batch_id: str | None = None,
    on_progress: Callable[[int, int | None], object] | None = None,
) -> AsyncBatch:
    """Upload files with a client from the environment; see `Extractions.upload`."""
    return await _default(AsyncClient).extractions.upload(
        extraction_id, files, batch_id=batch_id, on_progress=on_progress
    )


def get_batch_results(
    extraction_id: str, batch_id: str, *, file_id: str | None = None
) -> BatchResults:
    """Ask once for results with a client from the environment; see `Extractions.results`."""
    return _default(Client).extractions.results(extraction_id, batch_id, file_id=file_id)


async def get_batch_results_async(
    extraction_id: str, batch_id: str, *, file_id: str | None = None
) -> BatchResults:
    """Ask once for results with a client from the environment; see `Extractions.results`."""
    return await _default(AsyncClient).extractions.results(extraction_id, batch_id, file_id=file_id)


def poll_batch(
    extraction_id: str,
    batch_id: str,
    *,
    timeout: Seconds | None = 900.0,
    poll_interval: Seconds = 2.0,
    max_poll_interval: Seconds = 15.0,
    backoff: float = 1.5,
    on_progress: Callable[[BatchResults], object] | None = None,
) -> BatchResults:
    """Wait for a batch with a client from the environment; see `Extractions.wait`."""
    return _default(Client).extractions.wait(
        extraction_id,
        batch_id,
        timeout=timeout,
        poll_interval=poll_interval,
        max_poll_interval=max_poll_interval,
        backoff=backoff,
        on_progress=on_progress,
    )


async def poll_batch_async(
    extraction_id: str,
    batch_id: str,
    *,
    timeout: Seconds | None = 900.0,
    poll_interval: Seconds = 2.0,
    max_poll_interval: Seconds = 15.0,
    backoff: float = 1.5,
    on_progress: Callable[[BatchResults], object] | None = None,
) -> BatchResults:
    """Wait for a batch with a client from the environment; see `Extractions.wait`."""
    return await _default(AsyncClient).extractions.wait(
        extraction_id,
        batch_id,
        timeout=timeout,
        poll_interval=poll_interval,
        max_poll_interval=max_poll_interval,
        backoff=backoff,
        on_progress=on_progress,
    )


def submit(
    extraction_id: str,
    files: FileInput | Iterable[FileInput],
    *,
    idempotency_label: str | None = None,
    journal: Journal | str | os.PathLike[str] | None = None,
    first_try: bool = False,
    settle_time: Seconds = 60.0,
    timeout: Seconds | None = 300.0,
) -> str:
    """Upload under a label with a client from the environment; see `Extractions.submit`."""
    return _default(Client).extractions.submit(
        extraction_id,
        files,
        idempotency_label=idempotency_label,
        journal=journal,
        first_try=first_try,
        settle_time=settle_time,
        timeout=timeout,
    )


def check(token: str | BatchRef, *, waited: Seconds = 0.0, max_wait: Seconds = 0.0) -> Status:
    """Look once at a batch with a client from the environment; see `Client.check`."""
    return _default(Client).check(token, waited=waited, max_wait=max_wait)


def fetch(token: str | BatchRef) -> BatchResults:
    """Fetch the results of a batch with a client from the environment; see `Client.fetch`."""
    return _default(Client).fetch(token)


async def submit_async(
    extraction_id: str,
    files: FileInput | Iterable[FileInput],
    *,
    idempotency_label: str | None = None,
    journal: Journal | str | os.PathLike[str] | None = None,
    first_try: bool = False,
    settle_time: Seconds = 60.0,
    timeout: Seconds | None = 300.0,
) -> str:
    """Upload under a label with a client from the environment; see `Extractions.submit`."""
    return await _default(AsyncClient).extractions.submit(
        extraction_id,
        files,
        idempotency_label=idempotency_label,
        journal=journal,
        first_try=first_try,
        settle_time=settle_time,
        timeout=timeout,
    )


async def check_async(
    token: str | BatchRef, *, waited: Seconds = 0.0, max_wait: Seconds = 0.0
) -> Status:
    """Look once at a batch with a client from the environment; see `Client.check`."""
    return await _default(AsyncClient).check(token, waited=waited, max_wait=max_wait)


async def fetch_async(token: str | BatchRef) -> BatchResults:
    """Fetch the results of a batch with a client from the environment; see `Client.fetch`."""
    return await _default(AsyncClient).fetch(token)
