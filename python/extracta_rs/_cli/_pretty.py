"""JSON with a line for each value. Every token stays as it came: `1.0` and `"\\u00e9"` are what a
signature depends on, and parsing would lose them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]|[,:]|[^\s"\[\]{},:]+')
EMPTY = re.compile(r"\s*[\]}]")
MOST_INDENT = 40


def pretty(body: bytes, most: int) -> tuple[str, Literal["json", "text", "binary"]]:
    """Return a body as text, and what kind of text it is.

    Anything but JSON is left as it is, and JSON that Python finds nested too deeply, as "text".

    Args:
        body: the body.
        most: how many characters are wanted; there may be a few more.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return body[: most * 4].decode("utf-8", "replace"), "binary"
    try:
        # Numbers stay text: Python refuses to read integers of many digits.
        json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return text, "text"
    parts, length = [], 0
    for part in _laid_out(text):
        parts.append(part)
        length += len(part)
        if length > most:
            break
    return "".join(parts), "json"


def _laid_out(text: str) -> Iterator[str]:
    depth, at = 0, 0
    while found := TOKEN.search(text, at):
        part, at = found.group(), found.end()
        if part in "[{":
            if closing := EMPTY.match(text, at):
                at = closing.end()
                yield part + closing.group().strip()
                continue
            depth += 1
            yield part + _new_line(depth)
        elif part in "]}":
            depth -= 1
            yield _new_line(depth) + part
        elif part == ",":
            yield part + _new_line(depth)
        else:
            yield ": " if part == ":" else part


def _new_line(depth: int) -> str:
    return "\n" + "  " * min(depth, MOST_INDENT)
