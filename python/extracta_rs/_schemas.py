"""Types as the vendor's fields: pydantic models, dataclasses and TypedDicts.

A type is read once into a tree of shapes; `fields_from` writes the tree as the vendor's list of
fields and `_parse` reads results along it. The vendor knows strings, objects and arrays only (its
documentation, "Extraction templates"), so the format of a number or date goes into its description.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

__all__ = ["fields_from"]

Kind: TypeAlias = Literal[
    "text", "integer", "number", "decimal", "boolean", "date", "datetime", "time", "choice", "other"
]

FORMATS: dict[str, str] = {
    "integer": "A whole number, as digits only.",
    "number": "As digits with a point before the decimals, without thousands separators or units.",
    "decimal": "As digits with a point before the decimals, without thousands separators or units.",
    "boolean": 'Either "true" or "false".',
    "date": "As YYYY-MM-DD.",
    "datetime": "As YYYY-MM-DDTHH:MM:SS.",
    "time": "As HH:MM:SS, of 24 hours.",
}
# In the order in which they are tried: bool is an int, a datetime is a date.
KINDS: tuple[tuple[type, Kind], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (Decimal, "decimal"),
    (datetime, "datetime"),
    (date, "date"),
    (time, "time"),
    (str, "text"),
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string at the vendor; `choices` are what a Literal or Enum allows."""

    kind: Kind
    choices: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Many:
    """An array at the vendor."""

    item: Shape
    nullable: bool


@dataclass(frozen=True, slots=True)
class Record:
    """An object at the vendor; `model` is what it becomes."""

    model: type[Any]
    style: Literal["pydantic", "dataclass", "typeddict"]
    members: tuple[Member, ...]


Shape: TypeAlias = Scalar | Many | Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One field: `name` in the type, `key` at the vendor."""

    name: str
    key: str
    shape: Shape
    nullable: bool
    optional: bool
    description: str | None
    example: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the type says about a field besides its annotation."""

    name: str
    annotation: Any
    key: str | None = None
    optional: bool = False
    description: str | None = None
    example: object = None
    metadata: tuple[object, ...] = ()


def fields_from(model: type[Any]) -> list[dict[str, Any]]:
    """Write a type as the vendor's `fields`.

    Strings, numbers, dates, booleans, Literals and Enums become strings whose description tells
    the format; nested types become objects, lists become arrays. What None or a default allows
    changes nothing here: the vendor has no required fields.

    Args:
        model: a pydantic v2 model, a dataclass or a TypedDict. A description comes from
            `Field(description=...)`, `field(metadata={"description": ...})`,
            `Annotated[str, "..."]` or the `Attributes:` of the docstring; an example from
            `Field(examples=[...])` or `field(metadata={"example": ...})`. An alias is the key.

    Returns:
        A new list of fields, for `client.extractions.create(name, fields=...)`.

    Raises:
        TypeError: the type has something that the vendor's fields cannot say, such as a dict, a
            union or a model inside itself; the message names where.

    Example:
        >>> @dataclass
        ... class Invoice:
        ...     number: Annotated[str, "The number of the invoice, as printed."]
        ...     total: Decimal
        >>> fields_from(Invoice)[0]["key"]
        'number'
    """
    return _fields(record_of(model))


def record_of(model: type[Any]) -> Record:
    """Return the shape of a type that stands for a document."""
    return _record(model, getattr(model, "__name__", repr(model)), ())


def is_model(annotation: object) -> bool:
    """Tell whether something is a type with fields."""
    return _style(annotation) is not None


def _style(annotation: object) -> Literal["pydantic", "dataclass", "typeddict"] | None:
    if not isinstance(annotation, type):
        return None
    # Who has a pydantic model has imported pydantic: it is never imported from here.
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and issubclass(annotation, pydantic.BaseModel):
        return "pydantic"
    if dataclasses.is_dataclass(annotation):
        return "dataclass"
    typed = issubclass(annotation, dict) and hasattr(annotation, "__required_keys__")
    return "typeddict" if typed else None


def _record(model: type[Any], path: str, above: tuple[type, ...]) -> Record:
    style = _style(model)
    if style is None:
        raise TypeError(
            f"{path}: expected a pydantic v2 model, a dataclass or a TypedDict, not {model!r}"
        )
    if model in above:
        raise TypeError(
            f"{path}: {model.__name__} contains itself, and the vendor's fields have an end; "
            "write a type for each level"
        )
    readers = {"pydantic": _of_pydantic, "dataclass": _of_dataclass, "typeddict": _of_typeddict}
    told = _attributes(model)
    members = tuple(
        _member(hints, told, f"{path}.{hints.name}", (*above, model), style)
        for hints in readers[style](model, path)
    )
    if not members:
        raise TypeError(f"{path}: {model.__name__} has no fields")
    keys = [member.key for member in members]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise TypeError(f"{path}: two fields have the key {twice!r}")
    return Record(model, style, members)


def _hints(model: type[Any], path: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(model, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"{path}: {error} in an annotation; define the types of {model.__name__} at the top "
            "of a module"
        ) from None


def _of_pydantic(model: type[Any], path: str) -> Iterator[Hints]:
    if getattr(model, "__pydantic_root_model__", False):
        raise TypeError(f"{path}: a RootModel has no fields; wrap it in a model with one")
    if not getattr(model, "__pydantic_complete__", True):
        model.model_rebuild()
    for name, info in model.model_fields.items():
        yield Hints(
            name=name,
            annotation=info.annotation,
            key=_alias(info, f"{path}.{name}"),
            optional=not info.is_required(),
            description=info.description,
            example=(info.examples or [None])[0],
            metadata=tuple(info.metadata),
        )


def _alias(info: Any, path: str) -> str | None:
    alias = info.validation_alias if info.validation_alias is not None else info.alias
    for choice in getattr(alias, "choices", None) or [alias]:
        if choice is None or isinstance(choice, str):
            return choice
    raise TypeError(f"{path}: an AliasPath is no key of the vendor's; use an alias that is a text")


def _of_dataclass(model: type[Any], path: str) -> Iterator[Hints]:
    hints = _hints(model, path)
    for each in dataclasses.fields(model):
        if not each.init:
            continue
        has_default = (
            each.default is not dataclasses.MISSING
            or each.default_factory is not dataclasses.MISSING
        )
        yield Hints(
            name=each.name,
            annotation=hints[each.name],
            key=each.metadata.get("alias"),
            optional=has_default,
            description=each.metadata.get("description"),
            example=each.metadata.get("example"),
        )


def _of_typeddict(model: type[Any], path: str) -> Iterator[Hints]:
    for name, annotation in _hints(model, path).items():
        required = name in model.__required_keys__
        while get_origin(annotation) in (typing.Required, typing.NotRequired):
            required = get_origin(annotation) is typing.Required
            [annotation] = get_args(annotation)
        yield Hints(name=name, annotation=annotation, optional=not required)


def _attributes(model: type[Any]) -> dict[str, str]:
    """Return what the `Attributes:` of a docstring tell of each field."""
    text = inspect.cleandoc(model.__dict__.get("__doc__") or "")
    found = re.search(r"^(?:Attributes|Args):\n((?:[ \t]+.*\n?|\n)+)", text, re.M)
    if found is None:
        return {}
    entries = re.findall(r"^ {4}(\w+)[^:\n]*: ((?:.*\n?)(?:^ {5,}.*\n?)*)", found[1], re.M)
    return {name: " ".join(told.split()) for name, told in entries}


def _summary(model: type[Any]) -> str | None:
    """Return the first paragraph of a type's own docstring."""
    text = inspect.cleandoc(model.__dict__.get("__doc__") or "")
    made = text.startswith(f"{model.__name__}(")
    return None if made or not text else " ".join(text.split("\n\n")[0].split())


def _member(
    hints: Hints, told: dict[str, str], path: str, above: tuple[type, ...], style: str
) -> Member:
    annotation, nullable, metadata = _unwrap(hints.annotation, path)
    notes = [*hints.metadata, *metadata]
    description = hints.description or next(filter(None, map(_note, notes)), None)
    examples = [each for note in notes for each in getattr(note, "examples", None) or ()]
    shape = _shape(annotation, path, above, style, nullable)
    if description is None:
        description = told.get(hints.name)
    if description is None and isinstance(shape, Record):
        description = _summary(shape.model)
    return Member(
        name=hints.name,
        key=hints.key or hints.name,
        shape=shape,
        nullable=nullable or None in getattr(shape, "choices", ()),
        optional=hints.optional,
        description=description,
        example=hints.example if hints.example is not None else next(iter(examples), None),
    )


def _note(note: object) -> str | None:
    """Return the description in an `Annotated`: a text, a `Doc(...)` or a `Field(...)`."""
    if isinstance(note, str):
        return note
    for attribute in ("description", "documentation"):
        text = getattr(note, attribute, None)
        if isinstance(text, str):
            return text
    return None


def _unwrap(annotation: Any, path: str) -> tuple[Any, bool, list[object]]:
    """Return an annotation without what is around the type; whether None is allowed; the notes."""
    nullable, notes = False, []
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            notes += more
        elif origin in (Union, types.UnionType):
            rest = [each for each in get_args(annotation) if each is not type(None)]
            nullable = nullable or len(rest) < len(get_args(annotation))
            if len(rest) > 1:
                names = " | ".join(getattr(each, "__name__", str(each)) for each in rest)
                raise TypeError(
                    f"{path}: the vendor has no unions, so {names} cannot be a field; "
                    "choose one type, str where any may come"
                )
            [annotation] = rest
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation, nullable, notes


def _shape(
    annotation: Any, path: str, above: tuple[type, ...], style: str, nullable: bool
) -> Shape:
    origin = get_origin(annotation)
    if annotation is list or origin in (list, Sequence):
        return _many(annotation, path, above, style, nullable)
    if origin is Literal:
        return Scalar("choice", get_args(annotation))
    if is_model(annotation):
        return _record(annotation, path, above)
    if isinstance(annotation, type) and origin is None:
        if issubclass(annotation, Enum):
            return Scalar("choice", tuple(annotation))
        for known, kind in KINDS:
            if annotation is known:
                return Scalar(kind)
    if style == "pydantic" and _is_text_for_pydantic(annotation):
        return Scalar("other")
    name = str(annotation).removeprefix("typing.") if origin else getattr(
        annotation, "__name__", str(annotation)
    )  # fmt: skip
    raise TypeError(
        f"{path}: {name} cannot be said in the vendor's fields, which are strings, objects with "
        "named properties and arrays of either"
    )


def _many(annotation: Any, path: str, above: tuple[type, ...], style: str, nullable: bool) -> Many:
    [inner] = get_args(annotation) or [None]
    if inner is None:
        raise TypeError(f"{path}: say what the list holds: list[str], list[Line], ...")
    inner, item_nullable, _ = _unwrap(inner, f"{path}[]")
    if item_nullable:
        raise TypeError(f"{path}[]: the items of a list cannot be None")
    item = _shape(inner, f"{path}[]", above, style, False)
    if isinstance(item, Many):
        raise TypeError(
            f"{path}[]: the vendor has no lists of lists; make the inner list a field of a type"
        )
    return Many(item, nullable)


def _is_text_for_pydantic(annotation: Any) -> bool:
    """Tell whether pydantic reads a type from a string: UUID, EmailStr, AnyUrl, ..."""
    pydantic = sys.modules["pydantic"]
    if isinstance(annotation, TypeVar) or annotation in (Any, object):
        return False
    try:
        schema = pydantic.TypeAdapter(annotation).json_schema()
    except pydantic.errors.PydanticUserError:  # Also where there is no JSON schema of it.
        return False
    return bool(schema.get("type") == "string")


def _fields(record: Record) -> list[dict[str, Any]]:
    return [_field(member) for member in record.members]


def _field(member: Member) -> dict[str, Any]:
    shape = member.shape
    leaf = shape.item if isinstance(shape, Many) else shape
    made: dict[str, Any] = {"key": member.key}
    description = _described(member.description, leaf)
    if description:
        made["description"] = description
    if member.example is not None and isinstance(shape, Scalar):
        made["example"] = as_text(member.example)
    if isinstance(shape, Record):
        return {**made, "type": "object", "properties": _fields(shape)}
    if isinstance(shape, Many):
        items: dict[str, Any] = {"type": "string"}
        if isinstance(shape.item, Record):
            items = {"type": "object", "properties": _fields(shape.item)}
        return {**made, "type": "array", "items": items}
    return {**made, "type": "string"}


def _described(description: str | None, leaf: Shape) -> str:
    """Return a description with the format of its values."""
    text = (description or "").strip()
    wanted = ""
    if isinstance(leaf, Scalar):
        wanted = FORMATS.get(leaf.kind, "")
        if leaf.kind == "choice":
            told = [f'"{as_text(choice)}"' for choice in leaf.choices if choice is not None]
            wanted = f"One of {', '.join(told)}."
    if text and wanted and text[-1] not in ".!?:;":
        text += "."
    return f"{text} {wanted}".strip()


def as_text(value: object) -> str:
    """Return a value as the vendor would write it in a result."""
    if isinstance(value, Enum):
        return as_text(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value)
