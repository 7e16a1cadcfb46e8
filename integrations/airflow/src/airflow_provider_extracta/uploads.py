"""A task's files, as the client takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extracta_rs.models import FileInput


@contextmanager
def opened(files: str | Sequence[str]) -> Iterator[list[FileInput]]:
    """Yield files for an upload: local paths as they are, URLs opened with `ObjectStoragePath`.

    Raises:
        TypeError: something is no path.
        ValueError: there are none.
        OSError: one cannot be opened.
    """
    several = [files] if isinstance(files, str) else list(files)
    if not several:
        raise ValueError("files: there are none to upload")
    with ExitStack() as stack:
        yield [_opened(file, stack) for file in several]


def _opened(file: str, stack: ExitStack) -> FileInput:
    if not isinstance(file, str):
        raise TypeError(f"files: {file!r} is a {type(file).__name__}, not a path or URL as a str")
    if "://" not in file:
        return file
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(file)
    return path.name, stack.enter_context(path.open("rb"))  # type: ignore[no-untyped-call]
