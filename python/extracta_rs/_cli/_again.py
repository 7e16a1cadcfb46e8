"""Where a run keeps its journal, and the command that goes on with it."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from ..journal import is_url
from ._outcome import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 2000
TEMPLATE = frozenset({"extraction", "template", "fields", "model", "language"})


def shown(text: str) -> str:
    """Keep a text from the service or a file name on its line, and the terminal as it is."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def quoted(*words: str) -> str:
    """Return a command as it can be given to a shell."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def default_journal(base_url: str) -> Path:
    """Return the journal of a service's documents, for whoever names none.

    One for each service, whatever the working directory is: a document is then known wherever the
    command is run.
    """
    try:
        folder = state_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        raise CommandError(f"{error}: name a journal with --journal", USAGE) from error
    split = urlsplit(base_url)
    host = (split.hostname or "service") + (f"-{split.port}" if split.port else "")
    return folder / f"{re.sub(r'[^A-Za-z0-9.-]+', '-', host)}.journal"


def state_folder() -> Path:
    """Return where this system keeps what programs remember."""
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "extracta-rs"


def resuming(extraction_id: str | None, journal: str, paths: Iterable[str]) -> str:
    """Return the command that goes on with this run, as it can be given to a shell.

    A list that came on standard input cannot be read again, thousands of names are too long for a
    command line, and some names cannot be shown: then the list is kept beside the journal, or in
    the state folder where that is in a database.

    Args:
        extraction_id: the extraction, once it is known.
        journal: the journal.
        paths: the absolute paths of all documents.
    """
    ctx = click.get_current_context()
    words = ["extracta-rs", *([ctx.info_name] if ctx.info_name else [])]
    if extraction_id is not None:
        words += ["--extraction", extraction_id]
    words += ["--journal", journal]
    skipped = {"journal", "files"} | (TEMPLATE if extraction_id is not None else set())
    for param in ctx.command.params:
        if not isinstance(param, click.Option) or param.name in skipped:
            continue
        if param.name and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE:
            words.append(param.opts[0])
            words += [] if param.is_flag else [str(ctx.params[param.name])]
    files = list(ctx.params["files"])
    whole = quoted(*words, *(["--"] if any(f[:1] == "-" for f in files) else []), *files)
    if "-" not in files and len(whole) <= LONGEST and "".join(files).isprintable():
        return whole
    data = b"".join(os.fsencode(path) + b"\0" for path in paths)
    beside = str(state_folder() / "shared") if is_url(journal) else journal
    kept = Path(f"{beside}-list-{hashlib.sha256(data).hexdigest()[:8]}")
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept.write_bytes(data)
    return f"{quoted(*words, '-')} < {quoted(str(kept))}"
