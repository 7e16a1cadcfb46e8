"""Results as types of yours: lenient conversion of the vendor's strings, then validation.

Each value is read by the type of its field (`_lenient` has the rules); pydantic models are then
validated by pydantic, dataclasses and TypedDicts are built as they are. Whatever cannot be read is
a problem with file, path and value; all problems of a batch come in one `ParseError`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._lenient import (
    DecimalMark,
    Habits,
    UnreadableError,
    mark_of,
    order_of,
    read_boolean,
    read_date,
    read_datetime,
    read_decimal,
    read_time,
)
from ._schemas import Kind, Many, Member, Record, Scalar, Shape, as_text, record_of
from .exceptions import ParseError

if TYPE_CHECKING:
    from .models import BatchResults, FileResult

__all__ = ["ParseProblem", "ParsedFile", "ParsedResults"]

T = TypeVar("T")
SHOWN = 60
MOST_TOLD = 5
# What documents print, and models write, where there is nothing.
BLANK = frozenset({"", "n/a", "n.a.", "-", "--", "–", "—", "null"})
BLANK_UNLESS_TEXT = BLANK | {"na", "none", "nil"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseProblem:
    """A value that cannot be read.

    Attributes:
        file_name: the file's name, or its id where it has none.
        path: where in the file's result, in the vendor's keys: `lines[0].tax`; empty for the
            whole file.
        value: the value, shortened.
        reason: what is wrong with it.
    """

    file_name: str
    path: str
    value: str
    reason: str

    def __str__(self) -> str:
        where = f"{self.file_name}: {self.path}" if self.path else self.file_name
        return f"{where}: {self.value} {self.reason}" if self.value else f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class ParsedFile(Generic[T]):
    """A file and what was read from it.

    Attributes:
        file: the file as the service answered it.
        data: the type of yours; None where there is none, and `error` tells why.
        error: why there is no data: the service failed on the file, has not finished it, or it
            could not be read (only in `ParseError.parsed`). None where there is data.
    """

    file: FileResult
    data: T | None
    error: str | None = None


class ParsedResults(list[ParsedFile[T]]):
    """The files of a batch in the vendor's order, each with what was read from it.

    Args:
        files: the files.
        results: the batch's results as they came.
    """

    def __init__(self, files: list[ParsedFile[T]], results: BatchResults) -> None:
        super().__init__(files)
        self.results = results

    @property
    def data(self) -> list[T]:
        """What was read from the files that have data, in order."""
        return [file.data for file in self if file.data is not None]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self), self.results)


def parse_file(
    file: FileResult, model: type[T], decimal: DecimalMark | None, day_first: bool | None
) -> T:
    """Read one file, or raise a `ParseError` with all its problems."""
    record = record_of(model)
    check(decimal, day_first)
    missing = _no_result(file)
    problems: list[ParseProblem] = []
    if missing is None:
        data: list[T] = _read_file(file, record, Habits(decimal, day_first), problems)
        if data:
            return data[0]
    else:
        problems.append(_of_file(file, missing))
    raise _error(problems, model, None)


def parse_results(
    results: BatchResults, model: type[T], decimal: DecimalMark | None, day_first: bool | None
) -> ParsedResults[T]:
    """Read all files of a batch, or raise one `ParseError` with all their problems."""
    record = record_of(model)
    check(decimal, day_first)
    problems: list[ParseProblem] = []
    files: list[ParsedFile[T]] = []
    for file in results.files:
        missing = _no_result(file)
        if missing is not None:
            files.append(ParsedFile(file, None, missing))
            continue
        own: list[ParseProblem] = []
        data = _read_file(file, record, Habits(decimal, day_first), own)
        problems += own
        error = "; ".join(map(str, own)) or None
        files.append(ParsedFile(file, data[0] if data else None, error))
    parsed = ParsedResults(files, results)
    if problems:
        raise _error(problems, model, parsed)
    return parsed


def check(decimal: object, day_first: object) -> None:
    """Refuse arguments that would be taken for something else."""
    if decimal not in (None, ".", ","):
        raise ValueError(f'decimal must be ".", "," or None, not {decimal!r}')
    if day_first not in (None, True, False):
        raise ValueError(f"day_first must be True, False or None, not {day_first!r}")


def _no_result(file: FileResult) -> str | None:
    if file.status == "failed":
        return f"the service failed on it: {file.error or 'no reason given'}"
    if file.status != "processed":
        return f"is not processed (yet): its status is {file.status!r}"
    if not isinstance(file.to_dict().get("result"), dict):
        return "the answer has no result for it"
    return None


def _name(file: FileResult) -> str:
    return file.file_name or file.file_id or "a file without a name"


def _of_file(file: FileResult, reason: str) -> ParseProblem:
    return ParseProblem(file_name=_name(file), path="", value="", reason=reason)


def _error(
    problems: list[ParseProblem], model: type[Any], parsed: ParsedResults[Any] | None
) -> ParseError:
    told = "; ".join(map(str, problems[:MOST_TOLD]))
    more = f"; and {len(problems) - MOST_TOLD} more" if len(problems) > MOST_TOLD else ""
    return ParseError(
        f"the results do not fit {model.__name__}: {told}{more}", problems=problems, parsed=parsed
    )


def _read_file(
    file: FileResult, record: Record, habits: Habits, problems: list[ParseProblem]
) -> list[Any]:
    """Return the data of a file in a list, which is empty where there are problems."""
    reader = _Reader(_name(file), _habits_of(file.result, record, habits))
    data = reader.record(file.result, record, "")
    problems += reader.problems
    return [] if reader.problems else [data]


def _habits_of(result: object, record: Record, given: Habits) -> Habits:
    """Return the habits that were given, or else those that all clear values of a file share."""
    marks: set[DecimalMark] = set()
    orders: set[bool] = set()
    for kind, text in _texts(result, record):
        if kind in ("integer", "number", "decimal"):
            marks |= {mark} if (mark := mark_of(text)) else set()
        elif kind in ("date", "datetime"):
            orders |= {order} if (order := order_of(text)) is not None else set()
    decimal = given.decimal or (marks.pop() if len(marks) == 1 else None)
    day_first = given.day_first
    if day_first is None and len(orders) == 1:
        day_first = orders.pop()
    return Habits(decimal, day_first)


def _texts(value: object, shape: Shape) -> Iterator[tuple[Kind, str]]:
    """Return each text of a result with the kind that it should be."""
    if isinstance(shape, Scalar):
        if isinstance(value, str):
            yield shape.kind, value
    elif isinstance(shape, Many):
        for item in value if isinstance(value, list) else ():
            yield from _texts(item, shape.item)
    elif isinstance(value, dict):
        for member in shape.members:
            yield from _texts(value.get(member.key), member.shape)


def shown(value: object) -> str:
    """Return a value as an error shows it, short."""
    text = repr(value[: SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


class _Reader:
    """Reads one file and collects what cannot be read; `_FAILED` stands for such a value."""

    def __init__(self, file_name: str, habits: Habits) -> None:
        self.file_name = file_name
        self.habits = habits
        self.problems: list[ParseProblem] = []
        self.above: str | None = None  # The style of the record that is being read.

    def problem(self, path: str, value: str, reason: str) -> object:
        self.problems.append(
            ParseProblem(file_name=self.file_name, path=path, value=value, reason=reason)
        )
        return _FAILED

    def record(self, value: object, record: Record, path: str) -> object:
        if not isinstance(value, dict):
            return self.problem(path, shown(value), "is not an object")
        before, outer, self.above = len(self.problems), self.above, record.style
        read: dict[str, object] = {}
        for member in record.members:
            at = f"{path}.{member.key}" if path else member.key
            found = self.member(value, member, at)
            if found is not _ABSENT:
                read[member.key if record.style == "pydantic" else member.name] = found
        self.above = outer
        if len(self.problems) > before:
            return _FAILED
        return self.built(value, read, record, path)

    def built(
        self, value: dict[str, Any], read: dict[str, object], record: Record, path: str
    ) -> object:
        if record.style == "typeddict":
            return read
        if record.style == "dataclass":
            try:
                return record.model(**read)
            except ValueError as error:  # What a `__post_init__` of the user's own refuses.
                return self.problem(path, "", f"is refused by {record.model.__name__}: {error}")
        keys = {member.key for member in record.members}
        extra = {key: each for key, each in value.items() if key not in keys}
        if self.above == "pydantic":
            return {**extra, **read}  # The model around it validates all of it at once.
        return self.validated({**extra, **read}, record, path)

    def validated(self, read: dict[str, object], record: Record, path: str) -> object:
        pydantic = sys.modules["pydantic"]
        try:
            return record.model.model_validate(read)
        except pydantic.ValidationError as error:
            for each in error.errors(include_url=False, include_context=False):
                value = each["input"]
                self.problem(
                    _path((path, *each["loc"]) if path else each["loc"]),
                    "" if isinstance(value, (dict, list)) else shown(value),
                    f"is refused by {record.model.__name__}: {each['msg']}",
                )
            return _FAILED

    def member(self, found: dict[str, Any], member: Member, path: str) -> object:
        value = found.get(member.key)
        if _blank(value, member.shape) and (value is None or not _keeps_blank(member)):
            return self.nothing(value, member, path, present=member.key in found)
        return self.value(value, member.shape, path)

    def nothing(self, value: object, member: Member, path: str, *, present: bool) -> object:
        """Return what stands for a value that the document does not have."""
        if member.nullable and (present or not member.optional):
            return None
        if member.optional:
            return _ABSENT
        if isinstance(member.shape, Many):
            return []
        told = "" if value is None else shown(value)
        return self.problem(path, told, "is empty" if told else "is missing")

    def value(self, value: object, shape: Shape, path: str) -> object:
        if isinstance(shape, Record):
            return self.record(value, shape, path)
        if isinstance(shape, Many):
            if not isinstance(value, list):
                return self.problem(path, shown(value), "is not a list")
            return [
                self.value(item, shape.item, f"{path}[{index}]") for index, item in enumerate(value)
            ]
        try:
            return _scalar(value, shape, self.habits)
        except UnreadableError as error:
            return self.problem(path, shown(value), str(error))


_FAILED, _ABSENT = object(), object()


def _path(places: tuple[int | str, ...]) -> str:
    """Return pydantic's place of an error as a path."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in places)
    return text.removeprefix(".")


def _blank(value: object, shape: Shape) -> bool:
    if not isinstance(value, str):
        return value is None
    word = value.strip().casefold()
    if isinstance(shape, Scalar) and shape.kind in ("text", "other", "choice"):
        return word in BLANK
    return word in BLANK_UNLESS_TEXT


def _keeps_blank(member: Member) -> bool:
    """Tell whether a blank text is a value of its own: of a str, or of a choice that has it."""
    if not isinstance(member.shape, Scalar):
        return False
    return member.shape.kind in ("text", "choice") and not member.nullable and not member.optional


def _scalar(value: object, shape: Scalar, habits: Habits) -> object:
    if isinstance(value, (dict, list)):
        raise UnreadableError("is an object or a list, not a single value")
    if shape.kind == "choice":
        return _choice(value, shape.choices)
    if shape.kind in ("integer", "number", "decimal"):
        return _number(value, shape.kind, habits)
    if shape.kind == "boolean" and isinstance(value, bool):
        return value
    if shape.kind in ("text", "other"):
        return value if isinstance(value, str) else as_text(value)
    return READERS[shape.kind](as_text(value), habits)


READERS: dict[Kind, Callable[[str, Habits], object]] = {
    "boolean": lambda text, _: read_boolean(text),
    "date": read_date,
    "datetime": read_datetime,
    "time": lambda text, _: read_time(text),
}


def _number(value: object, kind: Kind, habits: Habits) -> object:
    whole = kind == "integer"
    if isinstance(value, bool):
        raise UnreadableError("is a boolean, not a number")
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            raise UnreadableError("is not a finite number")
        if whole and value != int(value):
            raise UnreadableError("is not a whole number")
        read = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    else:
        read = read_decimal(str(value), habits, whole=whole)
    if whole:
        return int(read)
    return read if kind == "decimal" else float(read)


def _choice(value: object, choices: tuple[object, ...]) -> object:
    """Return the choice that a value names: as it is written, or else but for its case."""
    text = as_text(value)
    for fold in (str, lambda each: " ".join(each.casefold().split())):
        for names in (as_text, _enum_name):
            found = [each for each in choices if fold(names(each)) == fold(text)]
            if len(found) == 1:
                return found[0]
    allowed = ", ".join(shown(as_text(each)) for each in choices[:10] if each is not None)
    raise UnreadableError(f"is none of {allowed}")


def _enum_name(choice: object) -> str:
    return choice.name if isinstance(choice, Enum) else as_text(choice)
