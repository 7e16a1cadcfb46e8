"""The commands and what they have in common: `--json`, `--debug`, one-line errors, exit codes."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import click

from ..exceptions import ConfigurationError, WaitTimeoutError
from ._outcome import EXIT_CODES, FAILED, INTERRUPTED, TIMED_OUT, USAGE, CommandError

if TYPE_CHECKING:
    from ._endpoint import Endpoint

LISTEN_PORT = 8765

PASSED_ON = (
    CommandError, click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError,
)  # fmt: skip


class Command(click.Command):
    """A command with `--json` and `--debug` whose errors are one line, or with `--debug` all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object."),
            click.Option(
                ["--debug"], is_flag=True, expose_value=False, help="Show the traceback of errors.",
                callback=lambda ctx, _param, value: ctx.meta.update(debug=value),
            ),
        ]  # fmt: skip

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what it raises into a `CommandError`."""
        try:
            return super().invoke(ctx)
        except PASSED_ON:
            raise
        except Exception as error:
            if ctx.meta.get("debug"):
                traceback.print_exc()
            raise CommandError(one_line(error), exit_code(error)) from error


def to_endpoint(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Endpoint | None:
    """Turn the URL of an option into where it points to."""
    from ._endpoint import Endpoint

    try:
        return None if value is None else Endpoint(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def one_line(error: Exception) -> str:
    """Describe an error in one line, with its type where the text alone would not say much."""
    text = " ".join(str(error).split())
    if text and type(error).__module__.startswith("extracta_rs"):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def exit_code(error: Exception) -> int:
    """Return the documented exit code of an error."""
    if isinstance(error, WaitTimeoutError):
        return TIMED_OUT
    return USAGE if isinstance(error, ConfigurationError) else FAILED


@click.group(
    epilog=EXIT_CODES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(version("extracta_rs"), prog_name="extracta-rs")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Extract data from documents with the Extracta.ai API."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
        ctx.exit(USAGE)


@cli.command(cls=Command, epilog=EXIT_CODES)
def demo(as_json: bool) -> None:
    """Do the main job on sample invoices, offline.

    Starts an emulator of the service on this machine, uploads the sample invoices that come with
    this package, waits for them by polling and by a signed webhook, and prints what was extracted
    and what happened. Needs no API key and no network; nothing leaves this machine.
    """
    from ._demo import run_demo
    from ._demo_view import JsonView, TextView

    view = JsonView() if as_json else TextView()
    with contextlib.closing(view):
        report = run_demo(view)
    view.show(report)
    if report.problems:
        raise CommandError("; ".join(report.problems))


@cli.command(cls=Command, epilog=EXIT_CODES)
@click.option("--body", required=True, help="The file of the raw body, or - for stdin.")
@click.option("--header", required=True, help="The value of x-webhook-signature, or its line.")
def explain(body: str, header: str, as_json: bool) -> int:
    """Tell what is wrong with the signature of a webhook.

    The secret is never an argument: it is taken from EXTRACTA_WEBHOOK_SECRET (one, or several
    separated by white space) or asked for on the terminal. Ends with 0 if the signature holds,
    with 1 if it does not.
    """
    from ._explain import run_explain

    return run_explain(body, header, as_json)


@cli.command(cls=Command, epilog=EXIT_CODES)
@click.option(
    "--port",
    default=LISTEN_PORT,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="Port on 127.0.0.1; 0 takes any that is free.",
)
@click.option(
    "--forward-to",
    metavar="URL",
    callback=to_endpoint,
    help="Your app: it gets each valid delivery.",
)
@click.option("--forward-invalid", is_flag=True, help="It gets the others, too.")
@click.option(
    "--keep",
    default=100,
    type=click.IntRange(1, 1000),
    show_default=True,
    help="How many deliveries the page shows.",
)
def listen(
    port: int, forward_to: Endpoint | None, forward_invalid: bool, keep: int, as_json: bool
) -> None:
    """Receive webhooks while you develop.

    Verifies each delivery, prints it as one line, and shows the latest on a page on this machine:
    whether the signature holds or why not, the files, the body. Lead a tunnel to the port, name
    the tunnel's URL in the dashboard, or send a sample with `extracta-rs trigger`.

    With --forward-to valid deliveries are passed on to your app, unchanged, and its status is what
    the sender gets (502 if there is no answer, 504 if it is late); the page can send one again.
    Without it they are answered 204. Invalid ones are answered 401; with --forward-invalid your
    app gets them, too, and must refuse them itself.

    The secret comes from EXTRACTA_WEBHOOK_SECRET (several, separated by spaces, while you change
    it), or is asked for. With --json each delivery is one JSON object on a line, after a first one
    with the URL. Ctrl-C ends it, with exit code 0.
    """
    from ._listen import run_listen
    from ._listen_view import JsonView, TextView
    from ._secret import webhook_secrets

    secrets = webhook_secrets()
    with contextlib.suppress(KeyboardInterrupt):
        run_listen(
            JsonView() if as_json else TextView(),
            secrets,
            port=port,
            app=forward_to,
            forward_invalid=forward_invalid,
            keep=keep,
        )


@cli.command(cls=Command, epilog=EXIT_CODES)
@click.argument("event")
@click.option(
    "--url",
    metavar="URL",
    callback=to_endpoint,
    default=f"http://127.0.0.1:{LISTEN_PORT}/",
    show_default=True,
    help="Where to send it.",
)
@click.option("--legacy", is_flag=True, help="The generation without an event in its body.")
@click.option(
    "--files", default=2, type=click.IntRange(0, 1000), show_default=True, help="How many files."
)
@click.option(
    "--failed",
    type=click.IntRange(0, 1000),
    help="How many of them failed; all of them in *.failed, else none.",
)
@click.option("--seed", help="Any word; the same word gives the same ids. They are new otherwise.")
@click.option("--bad-signature", is_flag=True, help="Sign it with another secret.")
def trigger(
    event: str, url: Endpoint, legacy: bool, files: int, failed: int | None, seed: str | None,
    bad_signature: bool, as_json: bool,
) -> None:  # fmt: skip
    """Send a signed sample delivery.

    EVENT is extraction.processed, extraction.failed, extraction.edited, extraction.confirmed,
    classification.processed, or any other word: the service may announce more of them. With
    --legacy it decides only what kind of files there are.

    The secret comes from EXTRACTA_WEBHOOK_SECRET (of several the first one signs), or is asked
    for. The exit code is 0 if the answer is 2xx, and 1 otherwise.
    """
    from ._secret import webhook_secrets
    from ._trigger import encode, report, sample, send, told

    if failed is not None and failed > files:
        raise click.UsageError("--failed is more than --files")
    planned = sample(event, legacy=legacy, files=files, failed=failed, seed=seed)
    body = planned.body()
    raw = encode(body)
    answer = send(raw, webhook_secrets()[0], url, bad_signature=bad_signature)
    if as_json:
        click.echo(json.dumps(report(planned, body, url.url, answer)))
    else:
        click.echo(told(planned, len(raw), url.url, answer))
    if answer.status is None:
        raise CommandError(f"{url.url}: {answer.error}")
    if not 200 <= answer.status < 300:
        raise CommandError(f"{url.url} answered {answer.status}")


@cli.group("templates", epilog=EXIT_CODES)
def templates_group() -> None:
    """Show the ready templates, or create an extraction with one."""


@templates_group.command("list", cls=Command, epilog=EXIT_CODES)
def templates_list(as_json: bool) -> None:
    """List the templates and what each is for."""
    from ._templates import run_list

    run_list(as_json)


@templates_group.command("show", cls=Command, epilog=EXIT_CODES)
@click.argument("template")
def templates_show(template: str, as_json: bool) -> None:
    """Show the fields of TEMPLATE.

    With --json it is printed as it is sent, to change it and to create an extraction with.
    """
    from ._templates import run_show

    run_show(template, as_json)


@templates_group.command("create", cls=Command, epilog=EXIT_CODES)
@click.argument("template")
@click.option("--name", help="What to call the extraction; the template's name otherwise.")
@click.option("--language", help='The documents\' language, such as "English".')
def templates_create(template: str, name: str | None, language: str | None, as_json: bool) -> None:
    """Create an extraction with the fields of TEMPLATE and print its id.

    The API key comes from EXTRACTA_API_KEY, the service's address from EXTRACTA_BASE_URL.
    """
    from ._templates import run_create

    run_create(template, name, language, as_json)


@cli.group()
def journal() -> None:
    """Read the journal of `run_many`, also while a run is at work."""


@journal.command(cls=Command, epilog=EXIT_CODES)
@click.argument("file")
def status(file: str, as_json: bool) -> None:
    """Count the documents by state; name those that were refused or are unknown."""
    from . import _journal

    _journal.status(file, as_json)


@journal.command(cls=Command, epilog=EXIT_CODES)
@click.argument("file")
def results(file: str, as_json: bool) -> None:
    """Print one line for each file that has results; with --json one object a line."""
    from . import _journal

    _journal.results(file, as_json)


@journal.command(cls=Command, epilog=EXIT_CODES)
@click.argument("file")
@click.option("--out", default="-", show_default=True, help="Where to write; - for stdout.")
def export(file: str, out: str, as_json: bool) -> None:
    """Write the results as JSON Lines, each file as the service sent it."""
    from . import _journal

    _journal.export(file, out, as_json)


@journal.command(cls=Command, epilog=EXIT_CODES)
@click.argument("file")
@click.option("--unknown", is_flag=True, help="Documents that may have been uploaded.")
@click.option("--failed", is_flag=True, help="Documents whose processing failed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def retry(file: str, unknown: bool, failed: bool, yes: bool, as_json: bool) -> None:
    """Free documents, so that the next run uploads them again. That is paid anew."""
    from . import _journal

    _journal.retry(file, unknown=unknown, failed=failed, yes=yes, as_json=as_json)


def run() -> int:
    """Run the command line and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a name must not make the command fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = cli.main(prog_name="extracta-rs", standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except CommandError as error:
        return complain(str(error), error.exit_code)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        advice = f" (see {where} --help)" if where else ""
        return complain(error.format_message() + advice, error.exit_code)
    return result if isinstance(result, int) else 0


def complain(message: str, exit_code: int) -> int:
    """Tell what went wrong, in one line."""
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"extracta-rs: {message}", err=True)
    return exit_code
