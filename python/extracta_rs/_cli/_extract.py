"""`extracta-rs extract`: documents in, results out, each paid once.

All of it is a run with a journal; here is what a person meets: which files, which extraction, bars,
Ctrl-C, and where the results go.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.filesize import decimal

from ..exceptions import ExtractaError, RunIncompleteError
from ..journal import Journal
from ._again import default_journal, resuming
from ._inputs import gather
from ._journal import shown
from ._out import check_out, file_json, lines, print_json, write
from ._outcome import CLOSED, DONE, INCOMPLETE, INTERRUPTED, TIMED_OUT, CommandError
from ._progress import Bars
from ._recipe import Recipe, explained, extraction_of
from ._secret import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .. import Client, RunDocument, RunResults
    from .._runs import RunIterator

STOPPING = "Ctrl-C: uploads under way end first; once more cuts them off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for, as far as it is not which files and which extraction.

    Attributes:
        journal: the journal's path, or None for the default one.
        out: where the table goes, or None.
        explode: the array of which the table has a row for each element.
        as_json: whether to print JSON.
        options: the options of the run.
    """

    journal: str | None
    out: str | None
    explode: str | None
    as_json: bool
    options: dict[str, Any]


@dataclass(slots=True)
class Tally:
    """What has come."""

    processed: int = 0
    failed: list[str] = field(default_factory=list)
    other: int = 0
    from_journal: int = 0

    @property
    def all(self) -> int:
        """How many documents have results, or failed."""
        return self.processed + len(self.failed) + self.other


def run_extract(words: tuple[str, ...], made_of: str | Recipe, wish: Wish) -> int:
    """Upload what was not uploaded yet, wait for it, hand over all; return the exit code."""
    check_out(wish.out, wish.as_json)
    with connect() as client:
        path = Path(wish.journal) if wish.journal else default_journal(client.base_url)
        own = [path] + ([Path(wish.out)] if wish.out not in (None, "-") else [])
        names = gather(words, own)
        with Journal(path) as journal:
            return Extract(client, journal, names, made_of, wish).run()


class Extract:
    """One run of the command.

    Args:
        client: the client.
        journal: the journal.
        names: the absolute paths of the documents, and what to call them.
        made_of: the extraction, or how to make it.
        wish: everything else.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        names: dict[str, str],
        made_of: str | Recipe,
        wish: Wish,
    ) -> None:
        self.client, self.journal, self.names, self.made_of, self.wish = (
            client, journal, names, made_of, wish,
        )  # fmt: skip
        self.extraction_id = made_of if isinstance(made_of, str) else None
        self.sizes = {path: size_of(path) for path in names}
        self.known = {(lossy(Path(path).name), size) for path, size in self.sizes.items()}
        self.known_paths = {lossy(path) for path in names}
        self.tally = Tally()
        self.incomplete: RunIncompleteError | None = None
        self.stopping = False
        self.shown: list[dict[str, Any]] = []
        self.work: RunIterator | None = None
        self.bars = Bars(self.look)

    def run(self) -> int:
        """Do it; return the exit code."""
        try:
            self.extraction_id = self.extraction()
            self.announce()
            with explained(self.made_of, self.extraction_id, self.journal):
                rows = self.finish(self.extraction_id)
        except KeyboardInterrupt as error:
            raise CommandError(f"interrupted; {self.again()}", INTERRUPTED) from error
        except BrokenPipeError as error:
            text = f"the output was closed; {self.again()}"
            raise CommandError(text, CLOSED) from error
        return self.report(rows)

    def extraction(self) -> str:
        """Return the extraction, which is created where it is not there."""
        if isinstance(self.made_of, str):
            return self.made_of
        return extraction_of(self.made_of, self.client, self.journal)

    def announce(self) -> None:
        """Name what a person needs, whatever becomes of this process."""
        if not self.wish.as_json:
            count = f"{len(self.names)} {'document' if len(self.names) == 1 else 'documents'}"
            where = shown(str(self.journal.path))
            click.echo(f"{count}, extraction {self.extraction_id}, journal {where}", err=True)

    def finish(self, extraction_id: str) -> int | None:
        """Hand over all results; return how many rows the table has."""
        out = self.wish.out
        with self.begun(extraction_id), self.bars:
            if out is not None:
                return write(self.batches(), out, self.wish.explode)
            for batch in self.batches():
                self.show(batch)
        return None

    @contextlib.contextmanager
    def begun(self, extraction_id: str) -> Iterator[None]:
        """Run; at the first Ctrl-C the uploads under way may end, at the second nothing may."""
        usual = signal.signal(signal.SIGINT, self.interrupt)
        self.work = work = self.client.extractions.run_many(
            extraction_id, list(self.names), journal=self.journal, **self.wish.options
        )
        try:
            yield
        except KeyboardInterrupt:
            work.close()
            raise
        except BaseException:
            # An upload that is cut off would have to be looked for by the next run.
            work.stop()
            with contextlib.suppress(ExtractaError):
                for _ in work:
                    pass
            raise
        finally:
            signal.signal(signal.SIGINT, usual)
            self.work = None  # It would keep the journal open.

    def interrupt(self, *_: object) -> None:
        """Take a Ctrl-C."""
        if self.stopping or self.work is None:
            raise KeyboardInterrupt
        self.stopping = True
        self.work.stop()
        if self.bars.disable:
            os.write(2, f"{STOPPING}\n".encode())

    def batches(self) -> Iterator[RunResults]:
        """Yield the results, without documents that were not asked for this time."""
        assert self.work is not None  # noqa: S101  made by `begun`
        try:
            for batch in self.work:
                yield self.counted(batch)
        except RunIncompleteError as error:
            self.incomplete = error
        if self.stopping and self.tally.all < len(self.names):
            raise KeyboardInterrupt

    def counted(self, batch: RunResults) -> RunResults:
        """Keep in mind what came; an earlier run may have sent more with it than is asked for."""
        files = []
        for file in batch:
            document = batch.document_of(file)
            if document and not self.is_asked_for(document):
                continue
            files.append(file)
            self.tally.from_journal += batch.from_journal
            if file.status == "processed":
                self.tally.processed += 1
            elif file.status == "failed":
                path = document.path if document else None
                self.tally.failed.append(f"{self.title(path, file.file_name)}: {file.error}")
            else:
                self.tally.other += 1
        return dataclasses.replace(batch, files=files)

    def is_asked_for(self, document: RunDocument) -> bool:
        """Whether a document is among those that were named; the journal may name an older path."""
        known = (document.name, document.size) in self.known
        return known or document.path in self.known_paths

    def title(self, path: str | None, name: str | None) -> str:
        """Return what to call a document: as it was given, where that is known."""
        return self.names.get(path or "", path or name or "?")

    def show(self, batch: RunResults) -> None:
        """Print a batch, or keep it for the one JSON object."""
        paths = {id(file): document.path for file in batch if (document := batch.document_of(file))}
        if self.wish.as_json:
            self.shown += [
                {"path": paths.get(id(file)), "batch_id": batch.batch_id, **file_json(file)}
                for file in batch
            ]
        elif batch.files:
            aside = self.bars.aside() if sys.stdout.isatty() else contextlib.nullcontext()
            with aside:
                click.echo(
                    lines(batch, lambda file: self.title(paths.get(id(file)), file.file_name))
                )
                sys.stdout.flush()

    def look(self, bars: Bars) -> None:
        """Set the bars."""
        if self.work is None:
            return
        now, total = self.work.progress(), sum(self.sizes.values())
        sent = min(now.bytes_uploaded + now.bytes_skipped, total)
        documents, done = len(self.names), min(self.tally.all, len(self.names))
        bars.row("Uploaded", sent, max(total, 1), f"{decimal(sent)} of {decimal(total)}")
        count = f"{done} of {documents} documents"
        if now.batches:
            count += f", {now.batches_finished} of {now.batches} batches"
        bars.row("Results", done, documents, count)
        if self.stopping:
            bars.row(STOPPING, 0, None, "")

    def again(self) -> str:
        """Say how to go on."""
        command = resuming(self.extraction_id, str(self.journal.path), self.names)
        return f"nothing is lost or paid twice; go on with: {command}"

    def report(self, rows: int | None) -> int:
        """Tell what came of it; return the exit code."""
        tally, lacking = self.tally, self.incomplete
        unfinished = [*lacking.unknown, *lacking.failed] if lacking else []
        if self.wish.as_json:
            print_json({
                "extraction_id": self.extraction_id,
                "journal": str(self.journal.path),
                "documents": len(self.names),
                "processed": tally.processed,
                "failed": len(tally.failed),
                "from_journal": tally.from_journal,
                "unfinished": [dataclasses.asdict(one) for one in unfinished],
                "out": self.wish.out,
                "rows": rows,
                "files": self.shown,
            })  # fmt: skip
        else:
            told = f"{tally.processed} processed, {len(tally.failed)} failed"
            told += f", {tally.from_journal} of them from the journal" * (tally.from_journal > 0)
            told += f"; {rows} rows written to {self.wish.out}" * (rows is not None)
            click.echo(told, err=True)
        if lacking and lacking.timed_out:
            raise CommandError(f"{one_of(lacking)}; {self.again()}", TIMED_OUT) from lacking
        if lacking:
            advice = f"see extracta-rs journal status {self.journal.path}"
            raise CommandError(f"{one_of(lacking)}; {advice}", INCOMPLETE) from lacking
        if tally.failed:
            more = f"; and {len(tally.failed) - 3} more" if len(tally.failed) > 3 else ""
            names = shown("; ".join(tally.failed[:3]))
            said = f"{len(tally.failed)} of {len(self.names)} documents failed: {names}{more}"
            raise CommandError(said, INCOMPLETE)
        return DONE


def one_of(error: Exception) -> str:
    """Return an error's text on one line."""
    return shown(" ".join(str(error).split()))


def size_of(path: str) -> int:
    """Return a file's size; a file that is gone will be told by the run."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def lossy(name: str) -> str:
    """Return a name as the journal writes it: what is no UTF-8 is replaced."""
    return os.fsencode(name).decode("utf-8", "replace")
