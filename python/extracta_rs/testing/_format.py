"""What a cassette's file looks like: read with every doubt, written whole or not at all."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..exceptions import ExtractaError

FORMAT = "extracta_rs cassette"
VERSION = 1
LARGEST = 256 << 20
BODIES = ("json", "text", "base64")
HEADER_NAME = re.compile("[A-Za-z0-9-]+")


class CassetteError(ExtractaError):
    """A cassette cannot be read, written or recorded."""

    __module__ = "extracta_rs.testing"


class CassetteMismatchError(CassetteError):
    """A request was made that the cassette does not have; the text names the nearest one."""

    __module__ = "extracta_rs.testing"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and what came back.

    Attributes:
        request: `method`, `path`, and the body: `json`, `text`, `base64`, or `form` and `files`.
        answer: `status`, `headers` and the body; None where no answer came.
        failure: why none came.
    """

    request: dict[str, Any]
    answer: dict[str, Any] | None
    failure: str | None = None


def pack(body: bytes) -> dict[str, Any]:
    """Return a body as it stands in a cassette: readable, where that loses nothing."""
    if not body:
        return {}
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    try:
        read = json.loads(
            text, object_pairs_hook=_unique, parse_float=_finite, parse_constant=_never
        )
        return {"json": read}
    except (ValueError, RecursionError):
        return {"text": text}


def unpack(packed: dict[str, Any]) -> bytes:
    """Return the bytes of such a body."""
    if "json" in packed:
        text = json.dumps(packed["json"], ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")
    if "text" in packed:
        return str(packed["text"]).encode("utf-8", "surrogatepass")
    return base64.b64decode(packed.get("base64", ""))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large")
    return number


def _never(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def load(path: Path) -> list[Exchange]:
    """Read a cassette.

    Raises:
        CassetteError: there is none, or it is truncated, damaged, or something else.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise CassetteError(f"{path}: larger than {LARGEST >> 20} MiB, which no cassette is")
        data = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CassetteError(f"{path}: there is no such cassette; record it first") from None
    except OSError as error:
        raise CassetteError(f"{path}: cannot be read: {error.strerror}") from error
    except RecursionError:
        raise CassetteError(f"{path}: not a cassette: nested too deeply") from None
    except ValueError as error:
        raise CassetteError(f"{path}: not a cassette, or a part of one: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise CassetteError(f'{path}: not a cassette: its "format" is not "{FORMAT}"')
    version = data.get("version")
    if type(version) is int and version > VERSION:
        raise CassetteError(
            f"{path}: version {version}, written by a later extracta_rs; this one reads {VERSION}"
        )
    if type(version) is not int or version != VERSION:
        raise CassetteError(f"{path}: a damaged cassette: version {version!r}")
    exchanges = data.get("exchanges")
    if not isinstance(exchanges, list):
        raise CassetteError(f'{path}: a damaged cassette: "exchanges" is not a list')
    return [_exchange(entry, f"{path}: exchanges[{n}]") for n, entry in enumerate(exchanges)]


def _exchange(entry: object, where: str) -> Exchange:
    try:
        return _checked(entry)
    except _DamagedError as error:
        raise CassetteError(f"{where}: a damaged cassette: {error}") from None


class _DamagedError(Exception):
    pass


def _need(condition: object, what: str) -> None:
    if not condition:
        raise _DamagedError(what)


def _checked(entry: object) -> Exchange:
    if not isinstance(entry, dict):
        raise _DamagedError("not an object")
    request, answer, failure = (entry.get(key) for key in ("request", "answer", "failure"))
    if not isinstance(request, dict):
        raise _DamagedError('"request" is not an object')
    for key in ("method", "path"):
        _need(isinstance(request.get(key), str), f'"request.{key}" is not a string')
    _need((answer is None) != (failure is None), 'there must be either "answer" or "failure"')
    if failure is not None:
        _need(isinstance(failure, str), '"failure" is not a string')
        return Exchange(request, None, failure)
    if not isinstance(answer, dict):
        raise _DamagedError('"answer" is not an object')
    _check_answer(answer)
    return Exchange(request, answer)


def _check_answer(answer: dict[str, Any]) -> None:
    status, headers = answer.get("status"), answer.get("headers", {})
    _need(type(status) is int and 200 <= status <= 599, '"answer.status" is no status')
    _need(isinstance(headers, dict), '"answer.headers" is not an object')
    for name, text in headers.items():
        fine = isinstance(text, str) and text.isascii() and text.isprintable()
        _need(fine and HEADER_NAME.fullmatch(name), f"the header {name!r} cannot be sent")
    _need(sum(kind in answer for kind in BODIES) <= 1, '"answer" has more than one body')
    for kind in ("text", "base64"):
        _need(isinstance(answer.get(kind, ""), str), f'"answer.{kind}" is not a string')
    try:
        unpack(answer)
    except (ValueError, RecursionError):
        raise _DamagedError('"answer" has a body that cannot be') from None


def save(path: Path, exchanges: list[Exchange]) -> None:
    """Write a cassette; what was there before stays until the new one is complete.

    Raises:
        CassetteError: it cannot be written.
    """
    entries: list[dict[str, Any]] = []
    for exchange in exchanges:
        outcome = {"answer": exchange.answer} if exchange.answer else {"failure": exchange.failure}
        entries.append({"request": exchange.request, **outcome})
    data = {
        "format": FORMAT,
        "version": VERSION,
        "recorded": datetime.now(UTC).isoformat(timespec="seconds"),
        "exchanges": entries,
    }
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    except (TypeError, ValueError) as error:
        raise CassetteError(f"{path}: what `scrub` returned is not JSON: {error}") from error
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                # Half of a surrogate pair has no UTF-8; so escaped it is JSON.
                file.write(text.encode("utf-8", "backslashreplace"))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
    except OSError as error:
        raise CassetteError(f"{path}: cannot be written: {error.strerror}") from error
