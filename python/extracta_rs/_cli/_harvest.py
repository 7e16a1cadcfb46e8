"""What a run of `extract` brings home: counted, printed, and told at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ._again import quoted, shown
from ._out import file_json, lines, print_json
from ._outcome import DONE, INCOMPLETE, CommandError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from .. import RunDocument, RunIncompleteError, RunResults

MOST_NAMED = 3


class Harvest:
    """The documents that were named, and what has come of them.

    Args:
        names: their absolute paths, and what to call them.
    """

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names
        self._sizes = {path: _size(path) for path in names}
        self._known = {(_lossy(Path(path).name), size) for path, size in self._sizes.items()}
        self._paths = {_lossy(path) for path in names}
        self.size = sum(self._sizes.values())
        self.processed = self.other = self.from_journal = 0
        self.failed: list[str] = []
        self._kept: list[dict[str, Any]] = []

    @property
    def count(self) -> int:
        """How many documents have results, or failed."""
        return self.processed + len(self.failed) + self.other

    @property
    def complete(self) -> bool:
        """Whether nothing lacks."""
        return self.count >= len(self.names)

    def take(self, batch: RunResults) -> RunResults:
        """Count a batch, and return it without documents that were not named this time.

        An earlier run may have uploaded more in one batch than is asked for now.
        """
        files = []
        for file in batch:
            document = batch.document_of(file)
            if document and not self._is_named(document):
                continue
            files.append(file)
            self.from_journal += batch.from_journal
            if file.status == "processed":
                self.processed += 1
            elif file.status == "failed":
                path = document.path if document else None
                reason = file.error or "no reason given"
                self.failed.append(f"{self._title(path, file.file_name)}: {reason}")
            else:
                self.other += 1
        return dataclasses.replace(batch, files=files)

    def _is_named(self, document: RunDocument) -> bool:
        known = (document.name, document.size) in self._known
        # A file that was changed since has another size; an earlier run may have known other paths.
        return known or document.path in self._paths

    def _title(self, path: str | None, name: str | None) -> str:
        return self.names.get(path or "", path or name or "?")

    def keep(self, batch: RunResults) -> None:
        """Keep a batch for `--json`."""
        paths = _paths_of(batch)
        self._kept += [
            {"path": paths.get(id(file)), "batch_id": batch.batch_id, **file_json(file)}
            for file in batch
        ]

    def show(self, batch: RunResults, aside: Callable[[], AbstractContextManager[object]]) -> None:
        """Print a batch.

        Args:
            batch: the batch.
            aside: takes what moves on the terminal away meanwhile.
        """
        paths = _paths_of(batch)
        if not batch.files:
            return
        with aside() if sys.stdout.isatty() else contextlib.nullcontext():
            click.echo(lines(batch, lambda file: self._title(paths.get(id(file)), file.file_name)))

    def as_json(self, lacking: RunIncompleteError | None, **more: object) -> None:
        """Print the one JSON object."""
        unfinished = [*lacking.unknown, *lacking.failed] if lacking else []
        print_json({
            **more,
            "documents": len(self.names),
            "processed": self.processed,
            "failed": len(self.failed),
            "from_journal": self.from_journal,
            "unfinished": [dataclasses.asdict(one) for one in unfinished],
            "files": self._kept,
        })  # fmt: skip

    def told(self, *, complete: bool) -> str:
        """Count what came, for a person.

        Args:
            complete: whether every document has results: a copy has those of its like.
        """
        said = f"{self.processed} processed, {len(self.failed)} failed"
        said += f", {self.other} with another status" if self.other else ""
        copies = len(self.names) - self.count if complete else 0
        said += f", {copies} the same as others" if copies > 0 else ""
        return said + (f"; {self.from_journal} from the journal" if self.from_journal else "")

    def verdict(self, journal: str) -> int:
        """Return the exit code, where the run itself is complete.

        Args:
            journal: the journal's path.

        Raises:
            CommandError: documents failed; it names some.
        """
        if not self.failed:
            return DONE
        more = len(self.failed) - MOST_NAMED
        said = shown("; ".join(self.failed[:MOST_NAMED])) + (f"; and {more} more" * (more > 0))
        again = quoted("extracta-rs", "journal", "retry", journal, "--failed")
        text = f"{len(self.failed)} of {len(self.names)} documents failed: {said}; to pay and try"
        text += f" again, free them with: {again}"
        raise CommandError(text, INCOMPLETE)


def _paths_of(batch: RunResults) -> dict[int, str | None]:
    documents = ((file, batch.document_of(file)) for file in batch)
    return {id(file): document.path for file, document in documents if document}


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0  # The run will tell that it is gone.


def _lossy(name: str) -> str:
    """Return a name as the journal has it: what is no UTF-8 is replaced."""
    return os.fsencode(name).decode("utf-8", "replace")
