"""The commands that ask the service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ._command import Command

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_INTERVAL = 2.0


def out_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says where results go."""
    explode = click.option(
        "--explode", metavar="FIELD", help="With --out: a row for each element of this array."
    )
    out = click.option(
        "--out",
        metavar="FILE",
        type=click.Path(),
        help="Write a table: *.csv, *.jsonl, *.parquet; - is JSON Lines on stdout.",
    )
    return out(explode(command))


def batch_arguments(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says which batch is meant."""
    ids = click.argument("ids", nargs=-1, metavar="EXTRACTION_ID BATCH_ID | TOKEN")
    flag = click.option(
        "--classification", is_flag=True, help="The first id is that of a classification."
    )
    return ids(flag(command))


poll_option = click.option(
    "--poll-interval",
    default=POLL_INTERVAL,
    type=click.FloatRange(min=0, min_open=True),
    show_default=True,
    metavar="SECONDS",
    help="Before the first question for a batch.",
)


@click.command(cls=Command, ids=True)
@batch_arguments
@click.option(
    "--timeout",
    default=900.0,
    type=click.FloatRange(min=0, min_open=True),
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
@poll_option
@out_options
def wait(
    ids: tuple[str, ...], classification: bool, timeout: float, poll_interval: float,
    out: str | None, explode: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Wait for a batch and show its results.

    The batch is named by two ids, or by the token that `Batch.token()` and `WaitTimeoutError`
    have. The API key comes from EXTRACTA_API_KEY, or is asked for. The exit code is 3 if files
    failed, and 4 if the batch is not finished in time.
    """
    from ._batch import place, run_wait

    return run_wait(
        place(ids, classification), timeout=timeout, poll_interval=poll_interval, out=out,
        explode=explode, as_json=as_json,
    )  # fmt: skip


@click.command(cls=Command, ids=True)
@batch_arguments
@click.option("--file", "file_id", metavar="FILE_ID", help="Only this file of the batch.")
@out_options
def results(
    ids: tuple[str, ...], classification: bool, file_id: str | None, out: str | None,
    explode: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Show the results of a batch as they are now: one request.

    The exit code is 3 if files failed, and 4 if the batch is not finished.
    """
    from ._batch import place, run_results

    where = place(ids, classification)
    return run_results(where, file_id, out=out, explode=explode, as_json=as_json)


@click.command(cls=Command)
def credits(as_json: bool) -> None:  # noqa: A001  the command's name
    """Print how many credits are left."""
    from ._secret import connect

    with connect() as client:
        left = client.credits()
    click.echo(json.dumps({"credits": left}) if as_json else left)


@click.group("templates")
def templates_group() -> None:
    """Show the ready templates, or create an extraction with one."""


@templates_group.command("list", cls=Command)
def templates_list(as_json: bool) -> None:
    """List the templates and what each is for."""
    from ._templates import run_list

    run_list(as_json)


@templates_group.command("show", cls=Command)
@click.argument("template")
def templates_show(template: str, as_json: bool) -> None:
    """Show the fields of TEMPLATE.

    With --json it is printed as it is sent, to change it and to create an extraction with.
    """
    from ._templates import run_show

    run_show(template, as_json)


@templates_group.command("create", cls=Command)
@click.argument("template")
@click.option("--name", help="What to call the extraction; the template's name otherwise.")
@click.option("--language", help='The documents\' language, such as "English".')
def templates_create(template: str, name: str | None, language: str | None, as_json: bool) -> None:
    """Create an extraction with the fields of TEMPLATE and print its id.

    The API key comes from EXTRACTA_API_KEY, the service's address from EXTRACTA_BASE_URL.
    """
    from ._templates import run_create

    run_create(template, name, language, as_json)


COMMANDS = (wait, results, credits, templates_group)
