"""Reads a multipart upload as it streams by: the form, and each file's name, size and SHA-256.

The documents themselves are never kept.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import unquote

MOST_HEAD = 1 << 20
MOST_TEXT = 1 << 16
MOST_PARTS = 100_000


class MultipartError(ValueError):
    """A body that is not multipart as its header says."""


class MultipartReader:
    """Takes the chunks of a body.

    Args:
        content_type: the `Content-Type` of the request, which names the boundary.

    Raises:
        MultipartError: it names none.
    """

    def __init__(self, content_type: str) -> None:
        found = re.search(r'boundary=(?:"([^"]+)"|([^;\s]+))', content_type, re.I)
        if found is None:
            raise MultipartError("a multipart body without a boundary")
        self._mark = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
        # The first boundary may stand at the very beginning.
        self._buffer = bytearray(b"\r\n")
        self._step = self._preamble
        self._part: _Part | None = None
        self._parts = 0
        self.form: dict[str, str] = {}
        self.files: list[dict[str, Any]] = []

    def feed(self, chunk: bytes) -> None:
        """Take a chunk.

        Raises:
            MultipartError: the body is not multipart.
        """
        self._buffer += chunk
        while self._step():
            pass

    def finish(self) -> dict[str, Any]:
        """Return the form and the files.

        Raises:
            MultipartError: the body ended before its last boundary.
        """
        if self._step != self._epilogue:
            raise MultipartError("a multipart body that ends too early")
        return {"form": self.form, "files": self.files}

    def _preamble(self) -> bool:
        place = self._buffer.find(self._mark)
        if place < 0:
            del self._buffer[: -len(self._mark) + 1]
            return False
        del self._buffer[: place + len(self._mark)]
        self._step = self._behind_mark
        return True

    def _behind_mark(self) -> bool:
        if len(self._buffer) < 2:
            return False
        if self._buffer.startswith(b"--"):
            self._step = self._epilogue
            return True
        # White space may stand behind a boundary; the line's end begins the head, so that one
        # without headers is found too.
        if not self._buffer.startswith(b"\r\n"):
            if self._buffer[:1].isspace():
                del self._buffer[:1]
                return True
            raise MultipartError("a boundary of a multipart body is not at the end of its line")
        self._step = self._head
        return True

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if max(end, 0) > MOST_HEAD or (end < 0 and len(self._buffer) > MOST_HEAD):
            raise MultipartError("the head of a part is too long")
        if end < 0:
            return False
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise MultipartError("too many parts")
        self._part = _Part(bytes(self._buffer[2:end]))
        del self._buffer[: end + 4]
        self._step = self._content
        return True

    def _content(self) -> bool:
        part = self._part
        assert part is not None  # noqa: S101  for the type: `_head` has made it
        place = self._buffer.find(self._mark)
        ready = place if place >= 0 else len(self._buffer) - len(self._mark) + 1
        if ready > 0:
            part.take(bytes(self._buffer[:ready]))
            del self._buffer[:ready]
        if place < 0:
            return False
        self._keep(part)
        del self._buffer[: len(self._mark)]
        self._step = self._behind_mark
        return True

    def _epilogue(self) -> bool:
        self._buffer.clear()
        return False

    def _keep(self, part: _Part) -> None:
        if part.file_name is None:
            self.form[part.name] = part.text.decode("utf-8", "replace")
        else:
            self.files.append(
                {"name": part.file_name, "size": part.size, "sha256": part.hash.hexdigest()}
            )


class _Part:
    def __init__(self, head: bytes) -> None:
        found = _disposition(head)
        self.name = found.get("name", "")
        self.file_name = found.get("filename")
        self.size = 0
        self.hash = hashlib.sha256()
        self.text = bytearray()

    def take(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.hash.update(chunk)
        if self.file_name is None:
            if self.size > MOST_TEXT:
                raise MultipartError("a field of the form is too long")
            self.text += chunk


def _disposition(head: bytes) -> dict[str, str]:
    """Read names as the client writes them: WHATWG's quoted form, and `filename*` (RFC 8187)."""
    line = re.search(rb"^content-disposition:(.*)$", head, re.I | re.M)
    found: dict[str, str] = {}
    extended = None
    for key, quoted, bare in re.findall(
        r';\s*([\w-]+\*?)\s*=\s*(?:"([^"]*)"|([^;]*))',
        (line[1] if line else b"").decode("utf-8", "replace"),
    ):
        value = quoted or bare.strip()
        if key.lower() == "filename*":
            charset, _, rest = value.partition("'")
            if charset.lower() == "utf-8":
                extended = unquote(rest.partition("'")[2])
        else:
            for escape, meant in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
                value = value.replace(escape, meant)
            found.setdefault(key.lower(), value)
    if extended is not None:
        found["filename"] = extended
    return found
