"""The objects that JSON becomes are Python's own, whatever was read before them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extracta_rs import _core

SHORT = list("abcdefgh")
KEYS = [
    *SHORT, "", "a b", "unit_price", "twenty-nine characters, or so",
    "k" * 29, "k" * 30, "k" * 200, 'quo"te', "back\\slash", "Stra\u00dfe", "\U0001f9fe", "\u2028",
    "\ud83d",
]  # fmt: skip
WORDS = [
    "",
    "EUR",
    "a b",
    "Shipping",
    "x" * 32,
    "x" * 33,
    'a "b" \\',
    "caf\u00e9",
    "\U0001f9fe",
    "\ud83d",
]
# `json` cannot be told to write a key twice, so objects are lists of pairs.
Pairs = list[tuple[str, Any]]


class Object:
    """An object as it is written, which may say a key twice."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs

    def __repr__(self) -> str:
        return f"Object({self.pairs!r})"


def write(value: Any, comma: str, colon: str) -> str:
    """Return the JSON of a value."""
    if isinstance(value, Object):
        inner = [f"{json.dumps(k)}{colon}{write(v, comma, colon)}" for k, v in value.pairs]
        return "{" + comma.join(inner) + "}"
    if isinstance(value, list):
        return "[" + comma.join(write(item, comma, colon) for item in value) + "]"
    return json.dumps(value, ensure_ascii=value == "\ud83d")


def read(text: str) -> Any:
    """Return what the package makes of it."""
    body = text.encode()
    return _core.Unwrapped(body, (0, 0), (0, len(body)), None).event()


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS) | st.text(max_size=40)
)  # fmt: skip
keys = st.sampled_from(SHORT) | st.sampled_from(KEYS)


def pairs(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    """Objects of few and of many members, often of the same ones in the same order."""
    straight = st.integers(0, len(KEYS)).flatmap(
        lambda many: st.tuples(*[inner] * many).map(lambda v: list(zip(KEYS, v, strict=False)))
    )
    return (st.lists(st.tuples(keys, inner), max_size=12) | straight).map(Object)


documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=6) | pairs(inner), max_leaves=40
)
row = [(key, 1) for key in SHORT]
# Objects under a key within objects under the same one, whose keys come in another order.
first, other = [(key, 1) for key in "bcdefg"], [(key, 1) for key in "cdegf"]
turned = [
    Object([("b", Object(first))]),
    Object([("b", Object([("b", Object([("b", 1), *other])), *other]))]),
]
nested = Object([("a", 1), ("b", Object([("a", 1), ("b", Object(row)), *row[2:]])), *row[2:]])


@given(
    st.lists(documents, min_size=1, max_size=4),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n  ", "\t:\r")]),
)
@example(turned, (",", ":"))
@example(
    [[Object(row), nested, Object(row), Object(row[:6]), Object([*row, ("i", 2)])]], (",", ":")
)
@example([[Object(row), Object([*row[:7], ("a", 2)]), Object(row), Object(row[::-1])]], (",", ":"))
@settings(max_examples=400, deadline=None)
def test_objects_are_those_that_python_makes(values: list[Any], spelling: tuple[str, str]) -> None:
    padding = " " * 2100  # shorter texts are read without a memory of their values
    for value in [*values, *values]:
        for text in (write(value, *spelling), write(value, *spelling) + padding):
            expected = json.loads(text)
            found = read(text)
            # Compared as texts for the order of keys, and since 1 == 1.0 == True.
            assert json.dumps(found) == json.dumps(expected)


@given(
    st.lists(documents, max_size=3),
    st.integers(0),
    st.sampled_from(['"', "\\", "{", "}", ",", ":", "0", "e"]),
)
@settings(max_examples=400, deadline=None)
def test_what_is_no_json_is_refused_as_python_does(value: Any, place: int, other: str) -> None:
    good = write(value, ",", ":")
    read(good)  # now its keys are expected
    place %= len(good)
    for text in (
        good[:place] + other + good[place:],
        good[:place] + other + good[place + 1 :],
        good[:place],
    ):
        try:
            expected = json.loads(text)
        except ValueError:
            with pytest.raises(ValueError, match=r"at byte \d+"):
                read(text)
        else:
            assert json.dumps(read(text)) == json.dumps(expected)


def test_many_threads_at_a_time() -> None:
    texts = [
        write(
            [Object([(f"{key}{number % 5}", number) for key in SHORT[: number % 9]])] * 300,
            ",",
            ":",
        )
        for number in range(40)
    ]
    with ThreadPoolExecutor(8) as pool:
        for text, found in zip(texts * 5, pool.map(read, texts * 5), strict=True):
            assert found == json.loads(text)


def test_keys_that_never_come_again_do_not_stay() -> None:
    for number in range(3000):
        text = write(Object([(f"{number}-{key}", key) for key in SHORT]), ",", ":")
        assert read(text) == json.loads(text)
