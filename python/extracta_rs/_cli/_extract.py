"""`extracta-rs extract`: documents in, results out, each paid once.

All of it is a run with a journal; here is what a person meets: which files, which extraction, bars,
Ctrl-C, and where the results go.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.filesize import decimal

from ..exceptions import ExtractaError, RunIncompleteError
from ..journal import Journal, is_url
from ._again import default_journal, quoted, resuming, shown
from ._harvest import Harvest
from ._inputs import gather
from ._out import check_out, write
from ._outcome import CLOSED, INCOMPLETE, INTERRUPTED, TIMED_OUT, CommandError
from ._progress import Bars
from ._recipe import Recipe, explained, extraction_of
from ._secret import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .. import Client, RunResults
    from .._runs import RunIterator

STOPPING = "Ctrl-C: uploads under way end first; once more cuts them off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for, as far as it is not which files and which extraction.

    Attributes:
        journal: the journal's path or URL, or None for the default one.
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


def run_extract(words: tuple[str, ...], made_of: str | Recipe, wish: Wish) -> int:
    """Upload what was not uploaded yet, wait for it, hand over all; return the exit code."""
    check_out(wish.out, wish.as_json)
    with connect() as client:
        path = wish.journal or str(default_journal(client.base_url))
        own = [] if is_url(path) else [Path(path)]
        own += [Path(wish.out)] if wish.out not in (None, "-") else []
        harvest = Harvest(gather(words, own))
        with Journal(path) as journal:
            return Extract(client, journal, harvest, made_of, wish).run()


class Extract:
    """One run of the command.

    Args:
        client: the client.
        journal: the journal.
        harvest: the documents.
        made_of: the extraction, or how to make it.
        wish: everything else.
    """

    def __init__(
        self,
        client: Client,
        journal: Journal,
        harvest: Harvest,
        made_of: str | Recipe,
        wish: Wish,
    ) -> None:
        self._client, self._journal, self._made_of = client, journal, made_of
        self._harvest, self._wish = harvest, wish
        self._extraction_id = made_of if isinstance(made_of, str) else None
        self._incomplete: RunIncompleteError | None = None
        self._stopping = False
        self._work: RunIterator | None = None
        self._bars = Bars(self._look)

    def run(self) -> int:
        """Do it; return the exit code."""
        try:
            extraction_id = self._extraction_id = self._extraction()
            self._announce()
            with explained(self._made_of, extraction_id, self._journal):
                rows = self._hand_over(extraction_id)
            return self._report(rows)
        except KeyboardInterrupt as error:
            raise CommandError(f"interrupted; {self._again()}", INTERRUPTED) from error
        except BrokenPipeError as error:
            raise CommandError(f"the output was closed; {self._again()}", CLOSED) from error

    def _extraction(self) -> str:
        if isinstance(self._made_of, str):
            return self._made_of
        return extraction_of(self._made_of, self._client, self._journal)

    def _announce(self) -> None:
        """Name what a person needs, whatever becomes of this process."""
        if not self._wish.as_json:
            count = len(self._harvest.names)
            said = f"{count} {'document' if count == 1 else 'documents'}"
            where = shown(self._journal.path)
            click.echo(f"{said}, extraction {self._extraction_id}, journal {where}", err=True)

    def _hand_over(self, extraction_id: str) -> int | None:
        """Hand over all results; return how many rows the table has."""
        with self._stoppable(), self._bars.told():
            if self._wish.out is not None:
                return write(self._batches(extraction_id), self._wish.out, self._wish.explode)
            for batch in self._batches(extraction_id):
                if self._wish.as_json:
                    self._harvest.keep(batch)
                else:
                    self._harvest.show(batch, self._bars.aside)
        return None

    @contextlib.contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Let uploads under way end at an error and the first Ctrl-C, but not at the second."""
        usual = signal.getsignal(signal.SIGINT)
        if usual is signal.default_int_handler:  # Not where a shell has it ignored.
            signal.signal(signal.SIGINT, self._interrupt)
        try:
            yield
        except KeyboardInterrupt:
            if self._work:
                self._work.close()
            raise
        except BaseException:
            # An upload that is cut off would have to be looked for by the next run.
            if self._work:
                self._work.stop()
                with contextlib.suppress(ExtractaError):
                    for _ in self._work:
                        pass
            raise
        finally:
            signal.signal(signal.SIGINT, usual)
            self._work = None  # It would keep the journal open.

    def _interrupt(self, *_: object) -> None:
        if self._stopping or self._work is None:
            raise KeyboardInterrupt
        self._stopping = True
        self._work.stop()
        if self._bars.disable:
            os.write(2, f"{STOPPING}\n".encode())  # Anything else might be amid a write.

    def _batches(self, extraction_id: str) -> Iterator[RunResults]:
        """Run, once the place for the results is known to be there; yield them as they come."""
        names, options = list(self._harvest.names), self._wish.options
        self._work = self._client.extractions.run_many(
            extraction_id, names, journal=self._journal, **options
        )
        try:
            for batch in self._work:
                yield self._harvest.take(batch)
        except RunIncompleteError as error:
            self._incomplete = error
        if self._stopping and not self._harvest.complete:
            raise KeyboardInterrupt

    def _look(self, bars: Bars) -> None:
        """Set the bars."""
        if (work := self._work) is None:
            return
        now, total = work.progress(), self._harvest.size
        sent = min(now.bytes_uploaded + now.bytes_skipped, total)
        bars.row("Uploaded", sent, max(total, 1), f"{decimal(sent)} of {decimal(total)}")
        documents = len(self._harvest.names)
        done = min(self._harvest.count, documents)
        count = f"{done} of {documents} documents"
        if now.batches:
            count += f", {now.batches_finished} of {now.batches} batches"
        bars.row("Results", done, documents, count)
        if self._stopping:
            bars.note = STOPPING

    def _again(self) -> str:
        """Say how to go on."""
        names = self._harvest.names
        command = resuming(self._extraction_id, self._journal.path, names)
        return f"nothing is lost or paid twice; go on with: {command}"

    def _report(self, rows: int | None) -> int:
        """Tell what came of it; return the exit code."""
        wish, lacking, path = self._wish, self._incomplete, self._journal.path
        if wish.as_json:
            self._harvest.as_json(
                lacking, extraction_id=self._extraction_id, journal=path, out=wish.out, rows=rows
            )
        else:
            target = "standard output" if wish.out == "-" else wish.out
            written = "" if rows is None else f"; {rows} rows written to {target}"
            click.echo(self._harvest.told(complete=lacking is None) + written, err=True)
        if lacking is None:
            return self._harvest.verdict(path)
        reason = shown(" ".join(str(lacking).split()))
        if lacking.timed_out:
            raise CommandError(f"{reason}; {self._again()}", TIMED_OUT) from lacking
        advice = f"see {quoted('extracta-rs', 'journal', 'status', path)}"
        raise CommandError(f"{reason}; {advice}", INCOMPLETE) from lacking
