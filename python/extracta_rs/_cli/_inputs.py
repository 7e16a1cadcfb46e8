"""From the arguments of `extract` to files: folders, patterns, and a list on standard input."""

from __future__ import annotations

import glob
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What systems and programs leave in folders, and nobody wants to pay for.
LEFTOVERS = re.compile(r"\.|~\$|(Thumbs\.db|desktop\.ini)\Z", re.IGNORECASE)
# What `--out` and `--journal` made last time.
MADE = re.compile(r".*\.(csv|jsonl|parquet|journal|journal-[^/]*)\Z", re.IGNORECASE)
BESIDE = re.compile(r"-(wal|shm|run-[^/]+|list-[0-9a-f]{8})\Z")  # a journal


def gather(words: Iterable[str], own: Iterable[Path]) -> dict[str, str]:
    """Return the files that are meant: absolute path to what to call it, in the order given.

    Args:
        words: files, folders, patterns, and `-` for a list on standard input.
        own: files that are never meant by a folder or a pattern: the journal with those beside
            it, the table.

    Raises:
        UsageError: a file is not there, or there is none at all.
    """
    mine = frozenset(os.path.realpath(path) for path in own)
    found: dict[str, str] = {}
    missing = []
    for word in words:
        for path in listed() if word == "-" else (word,):
            names = list(expanded(path, mine))
            if not names and not Path(path).is_dir():
                missing.append(path)
            for name in names:
                found.setdefault(os.path.abspath(name), name)  # noqa: PTH100  keeps symlinks
    if missing:
        more = f", nor are {len(missing) - 1} others" if missing[1:] else ""
        raise click.UsageError(f"{missing[0]!r} is not there{more}: nothing was uploaded")
    if not found:
        raise click.UsageError("there are no documents: name files, folders or patterns")
    return found


def listed() -> Iterator[str]:
    """Yield the paths on standard input: one a line, or with a NUL behind each."""
    text = os.fsdecode(sys.stdin.buffer.read())
    separator = "\0" if "\0" in text else "\n"
    for line in text.split(separator):
        path = line if separator == "\0" else line.removesuffix("\r")
        if path:
            yield path


def expanded(path: str, own: frozenset[str]) -> Iterator[str]:
    """Yield the files that one argument stands for; none where there is nothing of that name."""
    if Path(path).is_dir():
        yield from below(path, own)
    elif Path(path).exists():
        yield path
    else:
        for match in sorted(glob.glob(path, recursive=True)):  # noqa: PTH207  as it was written
            if Path(match).is_dir():
                # `**` gives each folder, and what is in it once more.
                yield from () if "**" in path else below(match, own)
            elif wanted(match, own):
                yield match


def below(folder: str, own: frozenset[str]) -> Iterator[str]:
    """Yield the files in a folder and in those below it, sorted, but what is no document."""

    def unreadable(error: OSError) -> None:
        raise error

    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not LEFTOVERS.match(name))
        for name in sorted(names):
            path = os.path.join(place, name)  # noqa: PTH118  keeps "./"
            if not MADE.match(name) and wanted(path, own) and Path(path).is_file():
                yield path


def wanted(path: str, own: frozenset[str]) -> bool:
    """Whether a file that was not named itself may be a document."""
    name = os.path.basename(path)  # noqa: PTH119
    if LEFTOVERS.match(name):
        return False
    like = {os.path.basename(name): name for name in own}.get(BESIDE.sub("", name))  # noqa: PTH119
    return like is None or BESIDE.sub("", os.path.realpath(path)) != like
