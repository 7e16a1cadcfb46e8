"""The extractions of a client, blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from .. import _core
from .._engine import submitting
from .._runs import RunIterator, start_run
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
from .._waits import BatchIterator
from ..models import BatchRef, BatchResults, Extraction, UploadedFile
from ._batch import Batch

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from .._parse import ParsedResults
    from ..journal import Journal
    from ..models import FileInput
    from ._client import Client

__all__ = ["Extractions"]

T = TypeVar("T")


class Extractions:
    """The extractions of a client: `client.extractions`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._raw = client._raw

    def create(
        self,
        name: str,
        *,
        language: str = "English",
        fields: Iterable[Mapping[str, object]] | type[Any],
        description: str | None = None,
        options: Mapping[str, object] | None = None,
    ) -> Extraction:
        """Create an extraction template.

        Args:
            name: what to call it.
            language: the documents' language, an English word ("English", "Romanian",
                "Multi-Lingual"); the vendor's documentation lists them.
            fields: what to extract: mappings of `key`, `description`, `example`, `type`
                ("string", "object" with `properties`, "array" with `items`); or a type of
                yours, as for `fields_from`.
            description: what it is for.
            options: processing options as the vendor writes them (`hasTable`, ...).

        Returns:
            The template with its id.

        Raises:
            ValueError: `fields` is empty.
            APIError: the service refused it. It is never sent twice unless surely not carried out.

        Example:
            >>> with Client() as client:
            ...     invoice = client.extractions.create(
            ...         "Invoices", fields=[{"key": "total", "description": "The total"}]
            ...     )
        """
        details = given(
            name=template_name(name),
            description=description,
            language=language,
            options=dict(options) if options is not None else None,
            fields=field_list(fields),
        )
        return self._raw.create("extraction", details).wait()

    def view(self, extraction_id: str) -> Extraction:
        """Show a template and, where the service tells, its batches.

        Raises:
            NotFoundError: there is no such extraction.
        """
        return self._raw.view("extraction", extraction_id).wait()

    def update(
        self,
        extraction_id: str,
        *,
        name: str | None = None,
        language: str | None = None,
        fields: Iterable[Mapping[str, object]] | type[Any] | None = None,
        description: str | None = None,
        options: Mapping[str, object] | None = None,
    ) -> Extraction:
        """Change what is given of a template; the rest stays.

        Args:
            extraction_id: the extraction.
            name: its new name.
            language: the documents' language, as for `create`.
            fields: all fields to extract: the new list takes the place of the old one.
            description: what it is for.
            options: processing options as the vendor writes them.

        Returns:
            What is known of the template after the change: only what was changed.

        Raises:
            ValueError: nothing to change was given.
            NotFoundError: there is no such extraction.
        """
        details = changes(
            name=name,
            language=language,
            fields=field_list(fields) if fields is not None else None,
            description=description,
            options=dict(options) if options is not None else None,
        )
        return self._raw.update("extraction", extraction_id, details).wait()

    def delete(self, extraction_id: str) -> None:
        """Delete a template with all its batches and files.

        Raises:
            NotFoundError: there is no such extraction.
        """
        self._raw.delete("extraction", extraction_id).wait()

    def delete_batch(self, extraction_id: str, batch_id: str) -> None:
        """Delete a batch with its files.

        Raises:
            NotFoundError: there is no such batch.
        """
        self._raw.delete_batch("extraction", extraction_id, batch_id).wait()

    def delete_files(
        self, extraction_id: str, batch_id: str, file_ids: str | Iterable[str]
    ) -> None:
        """Delete files of a batch: one request for each.

        Raises:
            ValueError: `file_ids` is empty or has an empty id.
            NotFoundError: there is no such batch or file.
        """
        self._raw.delete_files("extraction", extraction_id, batch_id, id_list(file_ids)).wait()

    def upload(
        self,
        extraction_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        batch_id: str | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
    ) -> Batch:
        """Upload files as one new batch, or into an existing one. This starts paid processing.

        It is sent again by itself only if it surely was not carried out (no connection, 429, 503
        with `Retry-After`).

        Args:
            extraction_id: the extraction to process them with.
            files: one file or an iterable of files: a path, `(name, content)` with bytes or a
                binary file object, a binary file object with a name, or an `UploadFile`. They are
                read as a stream; a file object is read on another thread from where it stands.
            batch_id: an existing batch to add them to.
            on_progress: called on this thread with the bytes sent and the bytes in all (None
                where that is not known).

        Returns:
            The batch.

        Raises:
            OSError: a file cannot be read: `FileNotFoundError`, `IsADirectoryError`, ...
            ValueError: there are no files, or one has no name.
            UploadOutcomeUnknownError: the answer was lost; look before you upload again.
        """
        call = self._raw.upload("extraction", extraction_id, files, batch_id, on_progress)
        answer, new_id = call.wait()
        uploaded = UploadedFile._load_all(answer.get("files"))
        return Batch(
            extraction_id=extraction_id, batch_id=new_id, files=uploaded, _client=self._client
        )

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
        """Upload files as one new batch and return its token. This starts paid processing.

        It does not wait for results: `client.check(token)` looks, `client.fetch(token)` brings
        them, in any process. A second `submit` with the same label returns the first one's token
        instead of uploading again, so that a worker that died between its upload and its commit
        finds what it did. The label's mark (`xr-`, 20 hexadecimal digits, `-`) goes before the
        names of the files; `original_name` takes it off.

        Without a journal the label is looked for among the extraction's batches before
        anything is uploaded: a request for each batch, each `min_poll_spacing` apart. Where the
        service shows no list of batches that cannot be told, and nothing is uploaded.

        Args:
            extraction_id: the extraction to process them with.
            files: one file or an iterable of files, as for `upload`; with a label no two of the
                same name, with a journal file objects must be seekable.
            idempotency_label: a text of yours that names this piece of work, such as a task's id
                without the number of the try. None: every call uploads.
            journal: a `Journal`, or the path of one, that the workers share: it answers at once.
            first_try: whether you know that nobody submitted this label before; then nothing is
                looked for. With a journal it is not needed.
            settle_time: seconds that the service may take to show an upload; only then its absence
                counts.
            timeout: seconds to look for an earlier upload in all; None for no limit. The upload
                itself is not limited.

        Returns:
            The token of the batch: a short JSON text without secrets.

        Raises:
            UploadOutcomeUnknownError: an upload may have been carried out, and what the service
                shows does not tell. `retry_after` says whether another `submit` may find out.
            ValueError: there are no files, two of one name, or the label is empty.
            OSError: a file cannot be read.
            JournalError: the journal cannot be read or written.
            APIError: the service refused it: nothing was uploaded.
        """
        return submitting(
            self._raw,
            "extraction",
            extraction_id,
            files,
            idempotency_label,
            journal,
            first_try,
            settle_time,
            timeout,
        ).wait()

    def results(
        self, extraction_id: str, batch_id: str, *, file_id: str | None = None
    ) -> BatchResults:
        """Ask once for the results of a batch, or of one file of it.

        Returns:
            The results as they are now; `finished` tells whether they are complete.

        Raises:
            NotFoundError: there is no such batch or file.
        """
        return self._raw.results("extraction", extraction_id, batch_id, file_id).wait()

    def wait(
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
        """Wait until a batch is finished.

        A failed poll (connection, 429, 5xx, an unreadable answer) does not end the wait, the
        deadline does. Polls of one client are at least `min_poll_spacing` apart.

        Args:
            extraction_id: the extraction.
            batch_id: the batch.
            timeout: seconds to wait in all, on the monotonic clock; None for no limit.
            poll_interval: seconds before the first request.
            max_poll_interval: the most seconds between two requests.
            backoff: what the interval is multiplied by after each request.
            on_progress: called on this thread with the `BatchResults` of each answer.

        Returns:
            The finished results; some files may have failed: `raise_for_failures()` tells.

        Raises:
            WaitTimeoutError: not finished in time; it carries a token to go on with.
            APIError: the key is wrong, the batch does not exist, ...
        """
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        return self._raw.wait("extraction", extraction_id, batch_id, options, on_progress).wait()

    def wait_many(
        self,
        batches: Iterable[BatchRef | str],
        *,
        timeout: Seconds | None = None,
        poll_interval: Seconds = 2.0,
        max_poll_interval: Seconds = 15.0,
        backoff: float = 1.5,
    ) -> BatchIterator:
        """Wait for many batches; iterate over the results as they finish.

        Args:
            batches: batches or their tokens, all of extractions. An iterable without a length, such
                as a generator or `iter(queue.get, None)`, is iterated over on a thread of its own
                while the waiting goes on.
            timeout: seconds to wait in all; None for no limit.
            poll_interval: seconds before the first request for a batch.
            max_poll_interval: the most seconds between two requests for a batch.
            backoff: what the interval is multiplied by after each request.

        Returns:
            An iterator over `BatchResults`. A batch that fails raises from the iterator's next
            step; catch it and iterate on for the others. What an iterable without a length
            raises is raised behind the last result. `close()` stops the waiting.
        """
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        return BatchIterator(self._raw, "extraction", batches, options)

    @overload
    def run(
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
    def run(
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

    def run(
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
        """Upload files as a new batch and wait for their results.

        Args:
            extraction_id: the extraction to process them with.
            files: one file or an iterable of files, as for `upload`.
            parse: a pydantic v2 model, a dataclass or a TypedDict to read the results as, as with
                `BatchResults.parse`; it is looked at before anything is uploaded.
            timeout: seconds to wait in all, once they are uploaded; None for no limit.
            poll_interval: seconds before the first request for the results.
            max_poll_interval: the most seconds between two requests.
            backoff: what the interval is multiplied by after each request.
            on_progress: called on this thread with the `BatchResults` of each answer.

        Returns:
            The finished results; some files may have failed: `raise_for_failures()` tells. With
            `parse` a list of `ParsedFile`, whose `results` are these.

        Raises:
            UploadOutcomeUnknownError: the upload's answer was lost; look before you try again.
            WaitTimeoutError: not finished in time; its token leads to the batch.
            ParseError: values cannot be read as `parse`; its `parsed.results` has the results.
        """
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        check_model(parse)
        _core.check_wait(options, on_progress)  # Before anything is uploaded and paid.
        batch = self.upload(extraction_id, files)
        results = self._raw.wait(*batch._name(), options, on_progress).wait()
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
    ) -> RunIterator:
        """Upload many documents and iterate over the results, with a journal on disk.

        Whatever becomes of the process, a run with the same journal goes on where it stopped: a
        document that was uploaded is not uploaded again, and results that came are in the journal.
        Documents are told apart by extraction, name and content (SHA-256): a moved folder is the
        same documents. An upload whose answer was lost is looked for at the service, and sent
        again only if it is surely not there.

        Args:
            extraction_id: the extraction to process them with.
            files: one file or an iterable of files, as for `upload`; file objects must be
                seekable, since they are read twice.
            journal: a `Journal`, or the path of one; made where it is not there. Several
                processes may run with the same one at the same time.
            concurrency: how many uploads are under way at once.
            max_files_per_batch: how many documents are uploaded as one batch.
            timeout: seconds for the whole run; None for as long as it takes. Uploads under way
                then are waited for.
            poll_interval: seconds before the first request for a batch.
            max_poll_interval: the most seconds between two requests for a batch.
            backoff: what the interval is multiplied by after each request.
            settle_time: seconds that the service may take to show an upload whose answer was
                lost; only then its absence counts.

        Returns:
            An iterator over `RunResults`, one for each batch, as they finish; those that the
            journal has come first. It ends with `RunIncompleteError` if documents have no results.
            Its `close()` stops the run.

        Raises:
            JournalError: the journal cannot be opened; later, from the iterator, that it cannot be
                read or written (the disk is full, ...).
            RunIncompleteError: from the iterator, at its end: it names each document that has no
                results, and why.
            NotFoundError: from the iterator: there is no such extraction.

        Example:
            >>> with Client() as client:
            ...     folder = Path("invoices").glob("*.pdf")
            ...     for results in client.extractions.run_many("-Oabc", folder, journal="j.db"):
            ...         for file in results:
            ...             print(file.file_name, file.status, file.result)
        """
        return RunIterator(
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
