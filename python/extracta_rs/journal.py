"""The journal of a run: what was uploaded, what came back, and what is still to be done.

`client.extractions.run_many(..., journal=...)` keeps it; this module reads it. It is one SQLite
file (with two beside it while it is open), or tables in a PostgreSQL database that several machines
share; it may be open in several processes at once, and holds no key and no secret, but the results
of your documents.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, get_args

from . import _core

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from .models import RunResults

__all__ = ["DocumentState", "Journal", "JournalDocument"]

DocumentState: TypeAlias = Literal[
    "planned", "refused", "uploading", "unknown", "uploaded", "finished"
]
"""Where a document stands.

- planned: to be uploaded.
- refused: surely not uploaded; the next run tries again.
- uploading: being uploaded, or cut off: the next run looks for it.
- unknown: perhaps uploaded; what the service shows does not tell.
- uploaded: in processing at the service.
- finished: its results are in the journal.
"""

_PORTION = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalDocument:
    """A document as it stands in a journal.

    Attributes:
        name: the file name that the service sees.
        sha256: the hexadecimal SHA-256 of its content.
        size: its size in bytes.
        path: where it was read from last; None where it was not a file on disk.
        extraction_id: what it is processed with, or None for a classification.
        classification_id: what it is processed with, or None for an extraction.
        state: where it stands, see `DocumentState`.
        batch_id: the service's id of its batch, where it is known.
        note: why it was refused, or is unknown.
    """

    name: str
    sha256: str
    size: int
    path: str | None
    extraction_id: str | None
    classification_id: str | None
    state: DocumentState
    batch_id: str | None
    note: str | None
    _id: int


class Journal:
    """A journal; the methods block for as long as a disk or a database does.

    Args:
        path: the file, on a local disk. Two files more stand beside it while it is open
            (`-wal`, `-shm`), and one for each run at work (`-run-...`). Or, as a `str`, a URL
            `postgresql://user@host/database`, where the module was built for it: see
            docs/shared-journal.md.
        create: whether to make the file, or the tables, where they are not there.

    Raises:
        JournalError: it cannot be opened: not a journal, damaged, made by a newer release, a
            server that cannot be reached, a build without PostgreSQL, ...

    Example:
        >>> with Journal("invoices.journal") as journal:
        ...     print(journal.status())
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool = True) -> None:
        self._raw = _core.Journal(path, create)

    @property
    def path(self) -> str:
        """The file, as an absolute path; of a database the URL, without its password."""
        return self._raw.path

    def status(self) -> dict[DocumentState, int]:
        """Return how many documents there are in each state, every state among them.

        Raises:
            JournalError: the file cannot be read.
        """
        counts = dict(self._raw.counts())
        return {state: counts[state] for state in get_args(DocumentState)}

    def documents(self, state: DocumentState | None = None) -> Iterator[JournalDocument]:
        """Iterate over the documents, in the order in which they were noted.

        Args:
            state: only the documents in this state.

        Raises:
            JournalError: the file cannot be read.
        """
        last = 0
        while told := self._raw.documents(last, _PORTION):
            for number, name, sha256, size, path, kind, resource, stands, batch, note in told:
                last = number
                if state is None or stands == state:
                    yield JournalDocument(
                        name=name,
                        sha256=sha256,
                        size=size,
                        path=path,
                        extraction_id=resource if kind == "extraction" else None,
                        classification_id=resource if kind == "classification" else None,
                        state=stands,
                        batch_id=batch,
                        note=note,
                        _id=number,
                    )

    def results(self) -> Iterator[RunResults]:
        """Iterate over the results of all finished batches, in the order of their uploads.

        Raises:
            JournalError: the file cannot be read.
        """
        last = 0
        while finished := self._raw.finished(last, _PORTION):
            for row, kind, resource, batch in finished:
                last = row
                yield self._raw.results(row, kind, resource, batch)

    def extraction_of(self, template: Mapping[str, object]) -> str | None:
        """Return the id of the extraction that was kept for a template, or None.

        Args:
            template: the arguments of `client.extractions.create` in the vendor's shape, or
                whatever of them shall tell one from another; the order of keys does not count.

        Raises:
            JournalError: the file cannot be read.
        """
        return self._raw.template(_digest(template))

    def keep_extraction(self, template: Mapping[str, object], extraction_id: str) -> str:
        """Keep which extraction was created of a template, for `extraction_of`.

        A run with another extraction would upload all documents again. The first one that is kept
        stays: of two processes that create one at once, both then take the same.

        Args:
            template: as for `extraction_of`.
            extraction_id: the extraction that was created.

        Returns:
            The id to go on with.

        Raises:
            JournalError: the file cannot be written.
        """
        return self._raw.keep_template(_digest(template), extraction_id)

    def retry(self, *, unknown: bool = False, failed: bool = False) -> int:
        """Free documents, so that the next run uploads them. That is paid anew.

        Args:
            unknown: the documents that may have been uploaded. Look first whether they are in
                the vendor's dashboard: if they are, they are paid twice.
            failed: the documents whose processing failed at the service.

        Returns:
            How many were freed.

        Raises:
            ValueError: neither was asked for.
            JournalError: the file cannot be read or written.
        """
        if not (unknown or failed):
            raise ValueError("nothing to retry: pass unknown=True, failed=True, or both")
        freed = self._raw.retry_unknown() if unknown else 0
        for document in self._failed() if failed else ():
            freed += self._raw.retry_document(document._id, document.batch_id or "")
        return freed

    def _failed(self) -> list[JournalDocument]:
        finished: dict[str, list[JournalDocument]] = {}
        for document in self.documents("finished"):
            finished.setdefault(document.batch_id or "", []).append(document)
        failed = []
        for results in self.results():
            for file in results.failed:
                source = results.document_of(file)
                failed += [
                    document
                    for document in finished.get(results.batch_id, [])
                    if source and (document.name, document.sha256) == (source.name, source.sha256)
                ]
        return failed

    def check(self) -> None:
        """Look through the whole journal for damage; takes as long as reading it.

        Raises:
            JournalError: it is damaged.
        """
        self._raw.check()

    def close(self) -> None:
        """Let go of the file or the database. A run that uses it goes on."""
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Journal({self.path!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (_reopen, (self.path,))


def _reopen(path: str) -> Journal:
    return Journal(path, create=False)


def is_url(place: object) -> bool:
    """Tell whether a journal is meant that is kept in PostgreSQL."""
    return isinstance(place, str) and place.startswith(("postgresql://", "postgres://"))


def _digest(template: Mapping[str, object]) -> str:
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
