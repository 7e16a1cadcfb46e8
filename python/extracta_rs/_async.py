"""The asyncio face: the same names, arguments, results and errors as the blocking one.

Cancelling a task ends the work in Rust. A client may serve several event loops, one after another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from . import _core
from ._base import BaseClient
from ._engine import Status, checking, fetching, submitting, token_of
from ._runs import AsyncRunIterator, start_run
from ._shared import (
    Seconds,
    changes,
    check_model,
    field_list,
    given,
    id_list,
    several,
    template_name,
    wait_options,
)
from ._waits import AsyncBatchIterator
from .models import BatchRef, BatchResults, Classification, Extraction, UploadedFile

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping
    from types import TracebackType

    from ._parse import ParsedResults
    from .journal import Journal
    from .models import FileInput

__all__ = ["AsyncBatch", "AsyncClassifications", "AsyncClient", "AsyncExtractions"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncBatch(BatchRef):
    """A batch that can be waited on: the asyncio twin of `Batch`.

    Attributes:
        files: the files as the service accepted them; empty for a batch that was resumed.
    """

    files: list[UploadedFile] = field(default_factory=list)
    _client: AsyncClient = field(repr=False, compare=False)

    async def results(self) -> BatchResults:
        """Ask once for the results; see `AsyncExtractions.results`."""
        return await self._client._raw.results(*self._name(), None)

    async def wait(
        self,
        *,
        timeout: Seconds | None = 900.0,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
        on_progress: Callable[[BatchResults], object] | None = None,
    ) -> BatchResults:
        """Wait until the batch is finished; see `AsyncExtractions.wait`."""
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        return await self._client._raw.wait(*self._name(), options, on_progress)


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
