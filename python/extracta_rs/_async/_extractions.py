"""The extractions of a client, on asyncio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from .. import _core
from .._engine import submitting
from .._runs import AsyncRunIterator, start_run
from .._shared import (
    Seconds,
    changes,
    check_model,
    field_list,
    given,
    id_list,
    template_name,
    wait_options,
)
from .._waits import AsyncBatchIterator
from ..models import BatchRef, BatchResults, Extraction, UploadedFile
from ._batch import AsyncBatch

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping

    from .._parse import ParsedResults
    from ..journal import Journal
    from ..models import FileInput
    from ._client import AsyncClient

__all__ = ["AsyncExtractions"]

T = TypeVar("T")


class AsyncExtractions:
    """The extractions of a client: `client.extractions`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._raw = client._raw

    async def create(
        self,
        name: str,
        *,
        language: str = "English",
        fields: Iterable[Mapping[str, object]] | type[Any],
        description: str | None = None,
        options: Mapping[str, object] | None = None,
    ) -> Extraction:
        """Create an extraction template. See `Extractions.create`."""
        details = given(
            name=template_name(name),
            description=description,
            language=language,
            options=dict(options) if options is not None else None,
            fields=field_list(fields),
        )
        return await self._raw.create("extraction", details)

    async def view(self, extraction_id: str) -> Extraction:
        """Show a template. See `Extractions.view`."""
        return await self._raw.view("extraction", extraction_id)

    async def update(
        self,
        extraction_id: str,
        *,
        name: str | None = None,
        language: str | None = None,
        fields: Iterable[Mapping[str, object]] | type[Any] | None = None,
        description: str | None = None,
        options: Mapping[str, object] | None = None,
    ) -> Extraction:
        """Change what is given of a template. See `Extractions.update`."""
        details = changes(
            name=name,
            language=language,
            fields=field_list(fields) if fields is not None else None,
            description=description,
            options=dict(options) if options is not None else None,
        )
        return await self._raw.update("extraction", extraction_id, details)

    async def delete(self, extraction_id: str) -> None:
        """Delete a template with all its batches and files. See `Extractions.delete`."""
        await self._raw.delete("extraction", extraction_id)

    async def delete_batch(self, extraction_id: str, batch_id: str) -> None:
        """Delete a batch with its files. See `Extractions.delete_batch`."""
        await self._raw.delete_batch("extraction", extraction_id, batch_id)

    async def delete_files(
        self, extraction_id: str, batch_id: str, file_ids: str | Iterable[str]
    ) -> None:
        """Delete files of a batch. See `Extractions.delete_files`."""
        await self._raw.delete_files("extraction", extraction_id, batch_id, id_list(file_ids))

    async def upload(
        self,
        extraction_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        batch_id: str | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
    ) -> AsyncBatch:
        """Upload files; starts paid processing. See `Extractions.upload`."""
        call = self._raw.upload("extraction", extraction_id, files, batch_id, on_progress)
        answer, new_id = await call
        uploaded = UploadedFile._load_all(answer.get("files"))
        return AsyncBatch(
            extraction_id=extraction_id, batch_id=new_id, files=uploaded, _client=self._client
        )

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
        """Upload under a label and return the token. See `Extractions.submit`."""
        return await submitting(
            self._raw,
            "extraction",
            extraction_id,
            files,
            idempotency_label,
            journal,
            first_try,
            settle_time,
            timeout,
        )

    async def results(
        self, extraction_id: str, batch_id: str, *, file_id: str | None = None
    ) -> BatchResults:
        """Ask once for the results of a batch or a file. See `Extractions.results`."""
        return await self._raw.results("extraction", extraction_id, batch_id, file_id)

    async def wait(
        self,
        extraction_id: str,
        batch_id: str,
        *,
        timeout: Seconds | None = 900.0,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
        on_progress: Callable[[BatchResults], object] | None = None,
    ) -> BatchResults:
        """Wait until a batch is finished. See `Extractions.wait`."""
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        return await self._raw.wait("extraction", extraction_id, batch_id, options, on_progress)

    def wait_many(
        self,
        batches: Iterable[BatchRef | str] | AsyncIterable[BatchRef | str],
        *,
        timeout: Seconds | None = None,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
    ) -> AsyncBatchIterator:
        """Iterate over the results of many batches as they finish. See `Extractions.wait_many`."""
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        return AsyncBatchIterator(self._raw, "extraction", batches, options)

    @overload
    async def run(
        self,
        extraction_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        parse: None = None,
        timeout: Seconds | None = 900.0,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
        on_progress: Callable[[BatchResults], object] | None = None,
    ) -> BatchResults: ...

    @overload
    async def run(
        self,
        extraction_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        parse: type[T],
        timeout: Seconds | None = 900.0,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
        on_progress: Callable[[BatchResults], object] | None = None,
    ) -> ParsedResults[T]: ...

    async def run(
        self,
        extraction_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        parse: type[T] | None = None,
        timeout: Seconds | None = 900.0,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
        on_progress: Callable[[BatchResults], object] | None = None,
    ) -> BatchResults | ParsedResults[T]:
        """Upload files and wait for their results. See `Extractions.run`."""
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        check_model(parse)
        _core.check_wait(options, on_progress)  # Before anything is uploaded and paid.
        batch = await self.upload(extraction_id, files)
        results = await self._raw.wait(*batch._name(), options, on_progress)
        return results if parse is None else results.parse(parse)

    def run_many(
        self,
        extraction_id: str,
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
        """Upload many documents with a journal. See `Extractions.run_many`."""
        return AsyncRunIterator(
            start_run(
                self._raw,
                "extraction",
                extraction_id,
                files,
                journal,
                concurrency,
                max_files_per_batch,
                settle_time,
                wait_options(timeout, poll_interval, max_poll_interval, backoff),
            )
        )
