"""What the service answers, as typed, frozen objects.

Each is built from the vendor's JSON and keeps that JSON whole in `to_dict()`, so that keys that
are new or unknown here are never lost. A value of an unexpected type in a place where the vendor
documents a string becomes None here and stays as it came in `to_dict()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, TypeVar

from . import _core
from ._core import Answer, FileResult
from .exceptions import BatchFailedError
from .tables._methods import Tabular

if TYPE_CHECKING:
    from typing import Self

    from ._lenient import DecimalMark
    from ._parse import ParsedResults

__all__ = [
    "BatchRef",
    "BatchResults",
    "Classification",
    "Extraction",
    "FileInput",
    "FileResult",
    "RunDocument",
    "RunResults",
    "UnfinishedDocument",
    "UploadFile",
    "UploadedFile",
]

T = TypeVar("T")
Kind: TypeAlias = Literal["extraction", "classification"]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _mapping(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _mappings(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class UploadFile:
    """A file to upload with a name and a content type of your own.

    Args:
        name: the file name that the service sees.
        content: a path, the bytes, or a binary file object (read from where it stands).
        content_type: the MIME type; by default it follows from the name.
    """

    name: str
    content: str | PathLike[str] | bytes | bytearray | memoryview | BinaryIO = field(repr=False)
    content_type: str | None = None


FileInput: TypeAlias = (
    str
    | PathLike[str]
    | BinaryIO
    | UploadFile
    | tuple[str, bytes | bytearray | memoryview | BinaryIO]
)
"""A file to upload: a path, a binary file object, `(name, content)`, or an `UploadFile`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRef:
    """Names one batch: of an extraction or of a classification.

    Attributes:
        extraction_id: the extraction, or None where the batch belongs to a classification.
        classification_id: the classification, or None where it belongs to an extraction.
        batch_id: the batch.
        file_id: one file of the batch, where the reference is to a file.
    """

    batch_id: str
    extraction_id: str | None = None
    classification_id: str | None = None
    file_id: str | None = None

    def token(self) -> str:
        """Return the batch as a short JSON string for `client.resume`; no secret is in it."""
        return _core.batch_token(*self._name())

    def _repr_html_(self) -> str:
        from ._html import batch

        return batch(self)

    def _name(self) -> tuple[Kind, str, str]:
        """Return the batch as the binding names it: kind, resource, batch."""
        if self.extraction_id is None and self.classification_id is not None:
            return "classification", self.classification_id, self.batch_id
        return "extraction", self.extraction_id or "", self.batch_id


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadedFile:
    """A file as the service accepted it.

    Attributes:
        file_id: the service's id of the file.
        file_name: the name as the service repeated it.
        url: where the service keeps the document.
    """

    file_id: str | None
    file_name: str | None
    url: str | None
    _data: dict[str, Any] = field(repr=False)

    @classmethod
    def _load(cls, data: dict[str, Any]) -> Self:
        return cls(
            file_id=_text(data.get("fileId")),
            file_name=_text(data.get("fileName")),
            url=_text(data.get("url")),
            _data=data,
        )

    @classmethod
    def _load_all(cls, data: object) -> list[Self]:
        return [cls._load(file) for file in _mappings(data)]

    def to_dict(self) -> dict[str, Any]:
        """Return the vendor's JSON of the file, untouched."""
        return self._data


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResults(Tabular):
    """The results of a batch, as far as they are there. Iterates over its files.

    A file's `result` becomes Python's objects when it, or `to_dict()`, is first asked for; until
    then it is the bytes that the service sent.

    Attributes:
        batch: which batch this is.
        status: the status at the top of the answer; the vendor may leave it out: None.
        finished: whether every file is in a final state.
        files: the files, in the vendor's order.
    """

    batch: BatchRef
    status: str | None
    finished: bool
    files: list[FileResult]
    _answer: Answer = field(repr=False)

    @classmethod
    def _load(
        cls,
        answer: Answer | dict[str, Any],
        finished: bool,
        extraction_id: str | None,
        classification_id: str | None,
        batch_id: str,
    ) -> Self:
        if isinstance(answer, dict):
            answer = Answer(answer)
        return cls(
            batch=BatchRef(
                extraction_id=extraction_id, classification_id=classification_id, batch_id=batch_id
            ),
            status=answer.status,
            finished=finished,
            files=answer.files(),
            _answer=answer,
        )

    @property
    def extraction_id(self) -> str | None:
        """The extraction, or None for a classification's batch."""
        return self.batch.extraction_id

    @property
    def classification_id(self) -> str | None:
        """The classification, or None for an extraction's batch."""
        return self.batch.classification_id

    @property
    def batch_id(self) -> str:
        """The batch."""
        return self.batch.batch_id

    @property
    def processed(self) -> list[FileResult]:
        """The files whose processing succeeded."""
        return [file for file in self.files if file.status == "processed"]

    @property
    def failed(self) -> list[FileResult]:
        """The files whose processing failed."""
        return [file for file in self.files if file.status == "failed"]

    def raise_for_failures(self) -> Self:
        """Raise `BatchFailedError` if a file failed; otherwise return these results.

        Raises:
            BatchFailedError: names each failed file and its error; `results` has them all.
        """
        failed = self.failed
        if failed:
            reasons = "; ".join(
                f"{file.file_name or file.file_id}: {file.error or 'no reason given'}"
                for file in failed[:5]
            )
            more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
            raise BatchFailedError(
                f"{len(failed)} of {len(self.files)} files of batch {self.batch_id} failed: "
                f"{reasons}{more}",
                results=self,
            )
        return self

    def parse(
        self,
        model: type[T],
        *,
        decimal: DecimalMark | None = None,
        day_first: bool | None = None,
    ) -> ParsedResults[T]:
        """Read the results of all files as a type of yours.

        Args:
            model: a pydantic v2 model, a dataclass or a TypedDict, as for `fields_from`.
            decimal: as for `FileResult.parse`.
            day_first: as for `FileResult.parse`.

        Returns:
            A list of `ParsedFile`, one for each file. A file that failed at the service, or is not
            finished, raises nothing: its `data` is None and its `error` tells why.

        Raises:
            ParseError: values cannot be read; `problems` has those of all files, `parsed` the list.
            TypeError: `model` has something that the vendor's fields cannot say.
        """
        from ._parse import parse_results

        return parse_results(self, model, decimal, day_first)

    def to_dict(self) -> dict[str, Any]:
        """Return the vendor's JSON of the whole answer, untouched."""
        return self._answer.to_dict()

    def _repr_html_(self) -> str:
        from ._html import results

        return results(self)

    def __iter__(self) -> Iterator[FileResult]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True, slots=True)
class RunDocument:
    """A document that `run_many` uploaded.

    Attributes:
        name: the file name that the service saw.
        sha256: the hexadecimal SHA-256 of its content.
        size: its size in bytes.
        path: where it was read from; None where it was not a file on disk.
    """

    name: str
    sha256: str
    size: int
    path: str | None

    @classmethod
    def _load(cls, name: str, sha256: str, size: int, path: str | None) -> Self:
        return cls(name, sha256, size, path)


@dataclass(frozen=True, slots=True)
class UnfinishedDocument:
    """A document of a run that has no results.

    Attributes:
        name: the file name that the service would see.
        path: where it was read from; None where it was not a file on disk.
        sha256: the hexadecimal SHA-256 of its content; None where it could not be read.
        batch_id: the batch that it was uploaded in, where it is known.
        reason: what happened.
    """

    name: str
    path: str | None
    sha256: str | None
    batch_id: str | None
    reason: str

    @classmethod
    def _load(
        cls, name: str, path: str | None, sha256: str | None, batch_id: str | None, reason: str
    ) -> Self:
        return cls(name, path, sha256, batch_id, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResults(BatchResults):
    """The results of a batch that `run_many` uploaded, now or in an earlier run.

    Attributes:
        documents: what was uploaded as this batch; no two of them have the same name.
        from_journal: whether the results were in the journal before this run.
    """

    documents: list[RunDocument]
    from_journal: bool

    @classmethod
    def _load(  # type: ignore[override]  # private, with what only a run knows
        cls,
        answer: Answer | dict[str, Any],
        finished: bool,
        extraction_id: str | None,
        classification_id: str | None,
        batch_id: str,
        documents: list[tuple[str, str, int, str | None]],
        from_journal: bool,
    ) -> Self:
        plain = BatchResults._load(answer, finished, extraction_id, classification_id, batch_id)
        return cls(
            batch=plain.batch,
            status=plain.status,
            finished=finished,
            files=plain.files,
            documents=[RunDocument(*document) for document in documents],
            from_journal=from_journal,
            _answer=plain._answer,
        )

    def document_of(self, file: FileResult) -> RunDocument | None:
        """Return the document that a file of `files` was made from; None where it is not told.

        By its name; where the service changed names, by its place, if it gave back as many files
        as it got.

        Args:
            file: one of `files`.
        """
        for document in self.documents:
            if document.name == file.file_name:
                return document
        names = {document.name for document in self.documents}
        if len(self.files) != len(self.documents) or any(f.file_name in names for f in self.files):
            return None
        return next(
            (document for document, own in zip(self.documents, self.files, strict=True)
             if own is file),
            None,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """An extraction template.

    What an answer does not carry is None: `update` knows only what it changed.

    Attributes:
        extraction_id: the service's id of the template.
        name: its name.
        description: what it is for.
        language: the language of the documents, an English word ("English", "Romanian").
        options: the processing options, as the vendor writes them.
        fields: the fields to extract, as the vendor writes them.
        batches: batch id to what is known of the batch (`{"status": ...}`), where `view` tells.
        status: the status of the answer.
        created_at: when it was created, the vendor's number.
        updated_at: when it was changed, the vendor's number.
    """

    extraction_id: str
    name: str | None
    description: str | None
    language: str | None
    options: dict[str, Any] | None
    fields: list[dict[str, Any]] | None
    batches: dict[str, Any]
    status: str | None
    created_at: float | None
    updated_at: float | None
    _data: dict[str, Any] = field(repr=False)

    @classmethod
    def _load(cls, data: dict[str, Any], extraction_id: str, details: dict[str, Any]) -> Self:
        details = {**details, **(_mapping(data.get("extractionDetails")) or {})}
        fields = details.get("fields")
        return cls(
            extraction_id=extraction_id,
            name=_text(details.get("name")),
            description=_text(details.get("description")),
            language=_text(details.get("language")),
            options=_mapping(details.get("options")),
            fields=_mappings(fields) if fields is not None else None,
            batches=_mapping(details.get("batches")) or _mapping(data.get("batches")) or {},
            status=_text(data.get("status")),
            created_at=_number(data.get("createdAt")),
            updated_at=_number(data.get("updatedAt")),
            _data=data,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the vendor's JSON of the answer, untouched."""
        return self._data

    def _repr_html_(self) -> str:
        from ._html import extraction

        return extraction(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """A classification template.

    What an answer does not carry is None: `update` knows only what it changed.

    Attributes:
        classification_id: the service's id of the template.
        name: its name.
        description: what it is for.
        document_types: the kinds of documents told apart, as the vendor writes them.
        batches: batch id to what is known of the batch, where `view` tells.
        status: the status of the answer.
        created_at: when it was created, the vendor's number.
        updated_at: when it was changed, the vendor's number.
    """

    classification_id: str
    name: str | None
    description: str | None
    document_types: list[dict[str, Any]] | None
    batches: dict[str, Any]
    status: str | None
    created_at: float | None
    updated_at: float | None
    _data: dict[str, Any] = field(repr=False)

    @classmethod
    def _load(cls, data: dict[str, Any], classification_id: str, details: dict[str, Any]) -> Self:
        details = {**details, **(_mapping(data.get("classificationDetails")) or {})}
        types = details.get("documentTypes")
        return cls(
            classification_id=classification_id,
            name=_text(details.get("name")),
            description=_text(details.get("description")),
            document_types=_mappings(types) if types is not None else None,
            batches=_mapping(details.get("batches")) or _mapping(data.get("batches")) or {},
            status=_text(data.get("status")),
            created_at=_number(data.get("createdAt")),
            updated_at=_number(data.get("updatedAt")),
            _data=data,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the vendor's JSON of the answer, untouched."""
        return self._data

    def _repr_html_(self) -> str:
        from ._html import classification

        return classification(self)
