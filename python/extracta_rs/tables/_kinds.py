"""What a column holds: one kind for all its values, found without looking at them one by one.

Values of kinds that do not go together make a column of text. Nothing that a file contains is an
error: what is found after 50,000 files must not cost them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ._rows import DEEPEST, without_halves

if TYPE_CHECKING:
    from collections.abc import Collection

EXACT = 2**53  # whole numbers up to here are exact as doubles
MOST_KEYS = 1000

Name: TypeAlias = Literal["none", "bool", "int", "long", "float", "text", "list", "struct"]
Values: TypeAlias = list[Any]

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of a column, or of what is in its lists and objects.

    Attributes:
        name: none (no value yet), bool, int, long (int64, but not exact as a double), float, ...
        item: the kind of a list's elements.
        fields: the kinds of an object's values.
        odd: some values are of other kinds and have to be conformed.
    """

    name: Name
    item: Kind | None = None
    fields: dict[str, Kind] = field(default_factory=dict)
    odd: bool = False


NONE = Kind("none")
TEXT = Kind("text")
MIXED = Kind("text", odd=True)


class _TooDeepError(Exception):
    pass


def kind_of(values: Values) -> Kind:
    """Return the kind of a column's values."""
    try:
        return _kind(values, 0)
    except _TooDeepError:
        return MIXED


def _kind(values: Collection[Any], depth: int) -> Kind:
    if depth > DEEPEST:
        raise _TooDeepError
    types = set(map(type, values))
    if type(None) in types:
        types.remove(type(None))
        values = [value for value in values if value is not None]
    if types == {str}:
        return TEXT if _encodable(values) else MIXED
    if types == {bool}:
        return Kind("bool")
    if types == {int}:
        return _whole(values)
    if types == {float}:
        return Kind("float")
    if types == {int, float}:
        whole = _whole([value for value in values if type(value) is int])
        return merged(whole, Kind("float"))
    if types == {list}:
        item = _kind(list(chain.from_iterable(values)), depth + 1)
        return Kind("list", item, odd=item.odd)
    if types == {dict}:
        return _struct(values, depth)
    return _mixed(values, depth) if types else NONE


def _mixed(values: Collection[Any], depth: int) -> Kind:
    """Look how deep the values are: only a whole column of text may hold what is too deep."""
    while open_ := [value for value in values if isinstance(value, list | dict)]:
        depth += 1
        if depth > DEEPEST:
            raise _TooDeepError
        values = list(
            chain.from_iterable(
                value.values() if isinstance(value, dict) else value for value in open_
            )
        )
    return MIXED


def _encodable(texts: Collection[str]) -> bool:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(values: Collection[int]) -> Kind:
    low, high = min(values), max(values)
    if low >= -EXACT and high <= EXACT:
        return Kind("int")
    return Kind("long") if low >= -(2**63) and high < 2**63 else MIXED


def _struct(values: Collection[dict[str, Any]], depth: int) -> Kind:
    keys = dict.fromkeys(chain.from_iterable(values))
    if not 0 < len(keys) <= MOST_KEYS or not _encodable(keys):
        return _mixed(values, depth)
    fields = {}
    for key in keys:
        found = [value[key] for value in values if key in value]
        fields[key] = _kind(found, depth + 1)
    return Kind("struct", None, fields, any(kind.odd for kind in fields.values()))


def merged(one: Kind, other: Kind) -> Kind:
    """Return the kind of a column with values of both kinds."""
    if one.name == "none" or other.name == "none":
        return other if one.name == "none" else one
    names = {one.name, other.name}
    if names == {"list"}:
        item = merged(one.item or NONE, other.item or NONE)
        return Kind("list", item, odd=one.odd or other.odd or item.odd)
    if names == {"struct"}:
        fields = one.fields | {
            key: merged(one.fields.get(key, NONE), kind) for key, kind in other.fields.items()
        }
        odd = one.odd or other.odd or any(kind.odd for kind in fields.values())
        return Kind("struct", None, fields, odd) if len(fields) <= MOST_KEYS else MIXED
    if len(names) == 1:
        return one if one.odd else other
    if names == {"int", "long"}:
        return Kind("long")
    return Kind("float") if names == {"int", "float"} else MIXED


def conformed(values: Values, kind: Kind) -> Values:
    """Return the values as values of this kind; the same list where they are."""
    return [_conform(value, kind) for value in values] if kind.odd else values


def _conform(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind.name == "text":
        return without_halves(text_of(value))
    if kind.name == "list" and kind.item:
        return [_conform(element, kind.item) for element in value]
    if kind.name == "struct":
        return {key: _conform(inner, kind.fields[key]) for key, inner in value.items()}
    return value


def text_of(value: object) -> str:
    """Return text as it is, and anything else as JSON; what is no finite number is null."""
    if type(value) is str:
        return value
    try:
        return _encode(value)
    except (ValueError, RecursionError):
        return _slow_json(value)


def _slow_json(value: object) -> str:
    """Return JSON of any depth, with null where a number is not finite."""
    done: list[str] = []
    todo: list[tuple[bool, Any]] = [(False, value)]  # whether it is JSON already
    while todo:
        ready, next_ = todo.pop()
        if ready:
            done.append(next_)
        elif isinstance(next_, list | dict):
            opening, closing = "[]" if isinstance(next_, list) else "{}"
            parts: list[tuple[bool, Any]] = [(True, opening)]
            pairs = next_.items() if isinstance(next_, dict) else ((None, item) for item in next_)
            for index, (key, item) in enumerate(pairs):
                comma = "," if index else ""
                parts.append((True, comma if key is None else f"{comma}{_encode(key)}:"))
                parts.append((False, item))
            todo += reversed([*parts, (True, closing)])
        elif isinstance(next_, float) and not math.isfinite(next_):
            done.append("null")
        else:
            done.append(_encode(next_))
    return "".join(done)
