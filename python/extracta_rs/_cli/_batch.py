"""`extracta-rs wait` and `extracta-rs results`: one batch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from .. import _core
from ..exceptions import WaitTimeoutError
from ._again import quoted
from ._out import batch_json, check_out, lines, print_json, write
from ._outcome import DONE, INCOMPLETE, INTERRUPTED, TIMED_OUT, CommandError
from ._progress import Bars
from ._secret import connect

if TYPE_CHECKING:
    from .. import BatchResults, Classifications, Client, Extractions


class Place(NamedTuple):
    """Which batch is meant."""

    kind: str
    resource_id: str
    batch_id: str

    def of(self, client: Client) -> Extractions | Classifications:
        """Return the half of the client that the batch belongs to."""
        return client.classifications if self.kind == "classification" else client.extractions

    def command(self, verb: str) -> str:
        """Return the command that does something with this batch."""
        flag = ["--classification"] if self.kind == "classification" else []
        return quoted("extracta-rs", verb, *flag, self.resource_id, self.batch_id)


def place(ids: tuple[str, ...], classification: bool) -> Place:
    """Return the batch that ids, or a token, name."""
    if len(ids) == 1 and ids[0].lstrip().startswith("{"):
        try:
            return Place(*_core.read_batch_token(ids[0]))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
    if len(ids) != 2:
        owner = "classification" if classification else "extraction"
        raise click.UsageError(f"name the {owner} and the batch by their ids, or a token")
    return Place("classification" if classification else "extraction", *ids)


def run_wait(
    where: Place,
    *,
    timeout: float,
    poll_interval: float,
    out: str | None,
    explode: str | None,
    as_json: bool,
) -> int:
    """Wait for a batch, show its results, and return the exit code."""
    check_out(out, as_json)
    last: list[BatchResults] = []

    def look(bars: Bars) -> None:
        files = last[-1].files if last else []
        done = sum(file.status in ("processed", "failed") for file in files)
        total = len(files) or None
        bars.row("Waiting", done, total, f"{done} of {total} files" if total else "")

    again = quoted("extracta-rs", *sys.argv[1:])
    try:
        with connect() as client, Bars(look).told():
            results = where.of(client).wait(
                where.resource_id,
                where.batch_id,
                timeout=timeout,
                poll_interval=poll_interval,
                on_progress=last.append,
            )
    except WaitTimeoutError as error:
        raise CommandError(f"{error}; wait again with: {again}", TIMED_OUT) from error
    except KeyboardInterrupt as error:
        text = f"interrupted; the batch goes on at the service; wait again with: {again}"
        raise CommandError(text, INTERRUPTED) from error
    return show(results, where, out=out, explode=explode, as_json=as_json)


def run_results(
    where: Place, file_id: str | None, *, out: str | None, explode: str | None, as_json: bool
) -> int:
    """Ask once for a batch, show what there is, and return the exit code."""
    check_out(out, as_json)
    with connect() as client:
        results = where.of(client).results(where.resource_id, where.batch_id, file_id=file_id)
    return show(results, where, out=out, explode=explode, as_json=as_json)


def show(
    results: BatchResults, where: Place, *, out: str | None, explode: str | None, as_json: bool
) -> int:
    """Show the results of a batch; return the exit code that they call for."""
    rows = None if out is None else write(results, out, explode)
    if as_json:
        print_json(batch_json(results) | ({} if out is None else {"out": out, "rows": rows}))
    elif out is None and results.files:
        click.echo(lines(results, lambda file: file.file_name))
    elif out not in (None, "-"):
        click.echo(f"{rows} rows written to {out}")
    if not results.finished:
        done = len(results.processed) + len(results.failed)
        said = f"not finished: {done} of {len(results)} files are done; wait with: "
        raise CommandError(said + where.command("wait"), TIMED_OUT)
    if results.failed:
        raise CommandError(f"{len(results.failed)} of {len(results)} files failed", INCOMPLETE)
    return DONE
