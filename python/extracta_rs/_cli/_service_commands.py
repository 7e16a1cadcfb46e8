"""The commands that ask the service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ._command import Command

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.shell_completion import CompletionItem

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


def template_names(
    _ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete the name of a template."""
    from click.shell_completion import CompletionItem

    from .. import templates

    return [CompletionItem(name) for name in templates.names() if name.startswith(incomplete)]


@click.command(cls=Command, ids=True)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(allow_dash=True),
    metavar="[EXTRACTION_ID] FILES...",
)
@click.option("--extraction", metavar="ID", help="The extraction to process them with.")
@click.option(
    "--template",
    metavar="NAME",
    shell_complete=template_names,
    help="Or a ready template, such as invoice: see extracta-rs templates list.",
)
@click.option("--fields", metavar="FILE", type=click.Path(), help="Or the fields in a JSON file.")
@click.option("--model", metavar="MODULE:CLASS", help="Or a pydantic model, dataclass, TypedDict.")
@click.option("--language", help="The documents' language, for a new extraction.  [English]")
@click.option(
    "--journal",
    metavar="FILE",
    type=click.Path(),
    help="What is uploaded and what came back; by default one for all your documents.",
)
@out_options
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="For all of it; as long as it takes otherwise.",
)
@click.option(
    "--batch-size",
    default=10,
    type=click.IntRange(1),
    show_default=True,
    help="Documents in one upload.",
)
@click.option(
    "--concurrency", default=4, type=click.IntRange(1), show_default=True, help="Uploads at once."
)
@poll_option
def extract(
    files: tuple[str, ...], extraction: str | None, template: str | None, fields: str | None,
    model: str | None, language: str | None, journal: str | None, out: str | None,
    explode: str | None, timeout: float | None, batch_size: int, concurrency: int,
    poll_interval: float, as_json: bool,
) -> int:  # fmt: skip
    """Upload documents, wait for them, and show what was extracted.

    FILES are files, folders (with all that is in them, but no hidden files), patterns, or - for a
    list on standard input. Name one of --extraction, --template, --fields and --model; an id that
    begins with - may stand before the files as well.

    No document is paid twice: a journal knows what was uploaded, by extraction, name and content.
    Run the same command again whenever it ended early. To have documents processed anew, name
    another journal. The exit code is 3 if documents failed or have no results.
    """
    from ._extract import Wish, run_extract
    from ._recipe import recipe

    if not any((extraction, template, fields, model)) and len(files[0]) > 1 and files[0][0] == "-":
        extraction, files = files[0], files[1:]
        click.get_current_context().params["files"] = files
    made_of = recipe(extraction, template, fields, model, language)
    options = {
        "timeout": timeout, "max_files_per_batch": batch_size, "concurrency": concurrency,
        "poll_interval": poll_interval, "max_poll_interval": max(15.0, poll_interval),
    }  # fmt: skip
    wish = Wish(journal=journal, out=out, explode=explode, as_json=as_json, options=options)
    return run_extract(files, made_of, wish)


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


COMMANDS = (extract, wait, results, credits, templates_group)
