"""The commands and what they have in common: `--json`, `--debug`, one-line errors, exit codes."""

from __future__ import annotations

import contextlib
import io
import sys
import traceback
from importlib.metadata import version
from typing import Any

import click

from ..exceptions import ConfigurationError, WaitTimeoutError

FAILED, USAGE, TIMED_OUT, INTERRUPTED = 1, 2, 4, 130

EXIT_CODES = """\b
Exit codes:
    0  done
    1  the service, the network or a check failed
    2  wrong usage or configuration, or the `cli` extra is missing
    4  the batch was not finished in time; it goes on at the service
  130  interrupted with Ctrl-C
"""


class CommandError(Exception):
    """Ends the command with one line and an exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


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
