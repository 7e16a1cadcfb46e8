"""The classifications of a client, blocking."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .. import _core
from .._engine import submitting
from .._runs import RunIterator, start_run
from .._shared import (
    Seconds,
    changes,
    given,
    id_list,
    several,
    template_name,
    wait_options,
)
from .._waits import BatchIterator
from ..models import BatchRef, BatchResults, Classification, UploadedFile
from ._batch import Batch

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    from ..journal import Journal
    from ..models import FileInput
    from ._client import Client

__all__ = ["Classifications"]

T = TypeVar("T")


class Classifications:
    """The classifications of a client: `client.classifications`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._raw = client._raw

    def create(
        self,
        name: str,
        *,
        document_types: Iterable[Mapping[str, object]],
        description: str | None = None,
    ) -> Classification:
        """Create a classification template.

        Args:
            name: what to call it.
            document_types: the kinds to tell apart: mappings of `name`, `description`,
                `uniqueWords` and, to extract from such a document, `extractionId`.
            description: what it is for.

        Returns:
            The template with its id.

        Raises:
            ValueError: `document_types` is empty.
            APIError: the service refused it. It is never sent twice unless surely not carried out.
        """
        details = given(
            name=template_name(name),
            description=description,
            documentTypes=several("document_types", document_types),
        )
        return self._raw.create("classification", details).wait()

    def view(self, classification_id: str) -> Classification:
        """Show a template and, where the service tells, its batches.

        Raises:
            NotFoundError: there is no such classification.
        """
        return self._raw.view("classification", classification_id).wait()

    def update(
        self,
        classification_id: str,
        *,
        name: str | None = None,
        document_types: Iterable[Mapping[str, object]] | None = None,
        description: str | None = None,
    ) -> Classification:
        """Change what is given of a template; the rest stays.

        Args:
            classification_id: the classification.
            name: its new name.
            document_types: all kinds to tell apart: the new list takes the place of the old one.
            description: what it is for.

        Returns:
            What is known of the template after the change: only what was changed.

        Raises:
            ValueError: nothing to change was given.
            NotFoundError: there is no such classification.
        """
        details = changes(
            name=name,
            documentTypes=several("document_types", document_types)
            if document_types is not None
            else None,
            description=description,
        )
        return self._raw.update("classification", classification_id, details).wait()

    def delete(self, classification_id: str) -> None:
        """Delete a template with all its batches and files.

        Raises:
            NotFoundError: there is no such classification.
        """
        self._raw.delete("classification", classification_id).wait()

    def delete_batch(self, classification_id: str, batch_id: str) -> None:
        """Delete a batch with its files.

        Raises:
            NotFoundError: there is no such batch.
        """
        self._raw.delete_batch("classification", classification_id, batch_id).wait()

    def delete_files(
        self, classification_id: str, batch_id: str, file_ids: str | Iterable[str]
    ) -> None:
        """Delete files of a batch.

        Raises:
            ValueError: `file_ids` is empty or has an empty id.
            NotFoundError: there is no such batch or file.
        """
        self._raw.delete_files(
            "classification", classification_id, batch_id, id_list(file_ids)
        ).wait()

    def upload(
        self,
        classification_id: str,
        files: FileInput | Iterable[FileInput],
        *,
        batch_id: str | None = None,
        on_progress: Callable[[int, int | None], object] | None = None,
    ) -> Batch:
        """Upload files as one new batch, or into an existing one. This starts paid processing.

        It is sent again by itself only if it surely was not carried out (no connection, 429, 503
        with `Retry-After`).

        Args:
            classification_id: the classification to process them with.
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
        call = self._raw.upload("classification", classification_id, files, batch_id, on_progress)
        answer, new_id = call.wait()
        uploaded = UploadedFile._load_all(answer.get("files"))
        return Batch(
            classification_id=classification_id,
            batch_id=new_id,
            files=uploaded,
            _client=self._client,
        )

    def submit(
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
        """Upload files as one new batch and return its token. See `Extractions.submit`."""
        return submitting(
            self._raw,
            "classification",
            classification_id,
            files,
            idempotency_label,
            journal,
            first_try,
            settle_time,
            timeout,
        ).wait()

    def results(
        self, classification_id: str, batch_id: str, *, file_id: str | None = None
    ) -> BatchResults:
        """Ask once for the results of a batch, or of one file of it.

        Returns:
            The results as they are now; `finished` tells whether they are complete.

        Raises:
            NotFoundError: there is no such batch or file.
        """
        return self._raw.results("classification", classification_id, batch_id, file_id).wait()

    def wait(
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
        """Wait until a batch is finished.

        A failed poll (connection, 429, 5xx, an unreadable answer) does not end the wait, the
        deadline does. Polls of one client are at least `min_poll_spacing` apart.

        Args:
            classification_id: the classification.
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
        return self._raw.wait(
            "classification", classification_id, batch_id, options, on_progress
        ).wait()

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
            batches: batches or their tokens, all of classifications; an iterable as for
                `Extractions.wait_many`.
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
        return BatchIterator(self._raw, "classification", batches, options)

    def run(
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
        """Upload files as a new batch and wait for their results.

        Args:
            classification_id: the classification to process them with.
            files: one file or an iterable of files, as for `upload`.
            timeout: seconds to wait in all, once they are uploaded; None for no limit.
            poll_interval: seconds before the first request for the results.
            max_poll_interval: the most seconds between two requests.
            backoff: what the interval is multiplied by after each request.
            on_progress: called on this thread with the `BatchResults` of each answer.

        Returns:
            The finished results; some files may have failed: `raise_for_failures()` tells.

        Raises:
            UploadOutcomeUnknownError: the upload's answer was lost; look before you try again.
            WaitTimeoutError: not finished in time; its token leads to the batch.
        """
        options = wait_options(timeout, poll_interval, max_poll_interval, backoff)
        _core.check_wait(options, on_progress)  # Before anything is uploaded and paid.
        batch = self.upload(classification_id, files)
        return self._raw.wait(*batch._name(), options, on_progress).wait()

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
    ) -> RunIterator:
        """Upload many documents and iterate over the results, with a journal on disk.

        Whatever becomes of the process, a run with the same journal goes on where it stopped: a
        document that was uploaded is not uploaded again, and results that came are in the journal.
        Documents are told apart by classification, name and content (SHA-256): a moved folder is
        the same documents. An upload whose answer was lost is looked for at the service, and sent
        again only if it is surely not there.

        Args:
            classification_id: the classification to process them with.
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
            NotFoundError: from the iterator: there is no such classification.
        """
        return RunIterator(
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
