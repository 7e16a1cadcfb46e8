"""The command `extracta-rs`: its commands, and how it ends."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from importlib.metadata import version

import click

from . import _journal_commands, _offline_commands, _service_commands, _webhook_commands
from ._again import shown
from ._outcome import CLOSED, EXIT_CODES, INTERRUPTED, USAGE, CommandError, OutputClosedError


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


for command in (
    *_offline_commands.COMMANDS,
    *_service_commands.COMMANDS,
    *_webhook_commands.COMMANDS,
    *_journal_commands.COMMANDS,
):
    cli.add_command(command)


def run() -> int:
    """Run the command line and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a name must not make the command fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = cli.main(prog_name="extracta-rs", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        return INTERRUPTED
    except CommandError as error:
        if error.exit_code == INTERRUPTED:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # One more must not spoil the advice.
        return complain(str(error), error.exit_code)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else ""
        advice = f" (see {where} --help)" if where else ""
        return complain(error.format_message() + advice, error.exit_code)
    except (OutputClosedError, BrokenPipeError):
        return silent()
    return result if isinstance(result, int) else 0


def complain(message: str, exit_code: int) -> int:
    """Tell what went wrong, in one line that moves no terminal."""
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"extracta-rs: {shown(message)}", err=True)
    return silent() if exit_code == CLOSED else exit_code


def silent() -> int:
    """Drop what nobody reads: at its exit Python would try once more to write it, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED
