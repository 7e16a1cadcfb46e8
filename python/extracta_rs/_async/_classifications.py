"""The classifications of a client, on asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .. import _core
from .._engine import submitting
from .._runs import AsyncRunIterator, start_run
from .._shared import (
    Seconds,
    changes,
    given,
    id_list,
    several,
    template_name,
    wait_options,
)
from .._waits import AsyncBatchIterator
from ..models import BatchRef, BatchResults, Classification, UploadedFile
from ._batch import AsyncBatch

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping

    from ..journal import Journal
    from ..models import FileInput
    from ._client import AsyncClient

__all__ = ["AsyncClassifications"]

T = TypeVar("T")


class AsyncClassifications:
    """The classifications of a client: `client.classifications`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._raw = client._raw

    async def create(
        self,
        name: str,
        *,
        document_types: Iterable[Mapping[str, object]],
        description: str | None = None,
    ) -> Classification:
        """Create a classification template. See `Classifications.create`."""
        details = given(
            name=template_name(name),
            description=description,
            documentTypes=several("document_types", document_types),
        )
        return await self._raw.create("classification", details)

    async def view(self, classification_id: str) -> Classification:
        """Show a template. See `Classifications.view`."""
        return await self._raw.view("classification", classification_id)

    async def update(
        self,
        classification_id: str,
        *,
        name: str | None = None,
        document_types: Iterable[Mapping[str, object]] | None = None,
        description: str | None = None,
    ) -> Classification:
        """Change what is given of a template. See `Classifications.update`."""
        details = changes(
            name=name,
            documentTypes=several("document_types", document_types)
            if document_types is not None
            else None,
            description=description,
        )
        return await self._raw.update("classification", classification_id, details)

    async def delete(self, classification_id: str) -> None:
        """Delete a template with all its batches and files. See `Classifications.delete`."""
        await self._raw.delete("classification", classification_id)

    async def delete_batch(self, classification_id: str, batch_id: str) -> None:
        """Delete a batch with its files. See `Classifications.delete_batch`."""
        await self._raw.delete_batch("classification", classification_id, batch_id)

    async def delete_files(
        self, classification_id: str, batch_id: str, file_ids: str | Iterable[str]
    ) -> None:
        """Delete files of a batch. See `Classifications.delete_files`."""
        await self._raw.delete_files(
            "classification", classification_id, batch_id, id_list(file_ids)
        )

    async def upload(
        self,
        classification_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        batch_id: str | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
    ) -> AsyncBatch:
        """Upload files; starts paid processing. See `Classifications.upload`."""
        call = self._raw.upload("classification", classification_id, files, batch_id, on_progress)
        answer, new_id = await call
        uploaded = UploadedFile._load_all(answer.get("files"))
        return AsyncBatch(
            classification_id=classification_id,
            batch_id=new_id,
            files=uploaded,
            _client=self._client,
        )

    async def submit(
        self,
        classification_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        idempotency_label: str | None = None,
        journal: Journal | str | os.PathLike[str] | None = None,
        first_try: bool = False,
        settle_time: Seconds = 60.0,
        timeout: Seconds | None = 300.0,
    ) -> str:
        """Upload under a label and return the token. See `Classifications.submit`."""
        return await submitting(
            self._raw,
            "classification",
            classification_id,
            files,
            idempotency_label,
            journal,
            first_try,
            settle_time,
            timeout,
        )

    async def results(
        self, classification_id: str, batch_id: str, *, file_id: str | None = None
    ) -> BatchResults:
        """Ask once for the results of a batch or a file. See `Classifications.results`."""
        return await self._raw.results("classification", classification_id, batch_id, file_id)

    async def wait(
        self,
        classification_id: str,
        batch_id: str,
        *,
        timeout: Seconds | None = 900.0,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
        on_progress: Callable[[BatchResults], object] | None = None,
    ) -> BatchResults:
        """Wait until a batch is finished. See `Classifications.wait`."""
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        return await self._raw.wait(
            "classification", classification_id, batch_id, options, on_progress
        )

    def wait_many(
        self,
        batches: Iterable[BatchRef | str] | AsyncIterable[BatchRef | str],
        *,
        timeout: Seconds | None = None,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
    ) -> AsyncBatchIterator:
        """Iterate over results of many batches as they finish. See `Classifications.wait_many`."""
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        return AsyncBatchIterator(self._raw, "classification", batches, options)

    async def run(
        self,
        classification_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        timeout: Seconds | None = 900.0,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
        on_progress: Callable[[BatchResults], object] | None = None,
    ) -> BatchResults:
        """Upload files and wait for their results. See `Classifications.run`."""
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        _core.check_wait(options, on_progress)  # Before anything is uploaded and paid.
        batch = await self.upload(classification_id, files)
        return await self._raw.wait(*batch._name(), options, on_progress)

    def run_many(
        self,
        classification_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        journal: Journal | str | os.PathLike[str],
        concurrency: int = 4,
        max_files_per_batch: int = 10,
        timeout: Seconds | None = None,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
        settle_time: Seconds = 60.0,
    ) -> AsyncRunIterator:
        """Upload many documents with a journal. See `Classifications.run_many`."""
        return AsyncRunIterator(
            start_run(
                self._raw,
                "classification",
                classification_id,
                files,
                journal,
                concurrency,
                max_files_per_batch,
                settle_time,
                wait_options(timeout, poll_interval, max_poll_interval, backoff),
            )
        )
