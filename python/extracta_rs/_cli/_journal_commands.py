"""The commands about a journal."""

from __future__ import annotations

import click

from ._command import Command


@click.group()
def journal() -> None:
    """Read the journal of `extract` and `run_many`, also while a run is at work."""


@journal.command(cls=Command)
@click.argument("file", type=click.Path())
def status(file: str, as_json: bool) -> None:
    """Count the documents by state; name those that were refused or are unknown."""
    from . import _journal

    _journal.status(file, as_json)


@journal.command(cls=Command)
@click.argument("file", type=click.Path())
def results(file: str, as_json: bool) -> None:
    """Print one line for each file that has results; with --json one object a line."""
    from . import _journal

    _journal.results(file, as_json)


@journal.command(cls=Command)
@click.argument("file", type=click.Path())
@click.option("--out", default="-", show_default=True, help="Where to write; - for stdout.")
def export(file: str, out: str, as_json: bool) -> None:
    """Write the results as JSON Lines, each file as the service sent it."""
    from . import _journal

    _journal.export(file, out, as_json)


@journal.command(cls=Command)
@click.argument("file", type=click.Path())
@click.option("--unknown", is_flag=True, help="Documents that may have been uploaded.")
@click.option("--failed", is_flag=True, help="Documents whose processing failed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def retry(file: str, unknown: bool, failed: bool, yes: bool, as_json: bool) -> None:
    """Free documents, so that the next run uploads them again. That is paid anew."""
    from . import _journal

    _journal.retry(file, unknown=unknown, failed=failed, yes=yes, as_json=as_json)


COMMANDS = (journal,)
