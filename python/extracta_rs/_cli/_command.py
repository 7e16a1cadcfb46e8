"""What all commands have in common: `--json`, `--debug`, ids as arguments, one-line errors."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import click

from ..exceptions import (
    APIConnectionError,
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    WaitTimeoutError,
)
from ._outcome import (
    EXIT_CODES,
    FAILED,
    TIMED_OUT,
    USAGE,
    CommandError,
    OutputClosedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PASSED_ON = (CommandError, click.ClickException, click.Abort, click.exceptions.Exit)

ADVICE = {
    AuthenticationError: "is EXTRACTA_API_KEY the vendor's key, and not revoked?",
    PermissionDeniedError: "the API key may not do this",
    NotFoundError: "check the id, and that it belongs to the account of EXTRACTA_API_KEY",
    RateLimitError: "try again later",
    ServerError: "the service fails: try again later",
    APIConnectionError: "is the network there, and EXTRACTA_BASE_URL right if it is set?",
}


class Command(click.Command):
    """A command with `--json` and `--debug` whose errors are one line, or with `--debug` all.

    Args:
        ids: whether its arguments are ids of the service, which may begin with `-`.
    """

    def __init__(self, *args: Any, ids: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **{"epilog": EXIT_CODES, **kwargs})
        self.ids = ids
        self.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="Print JSON."),
            click.Option(
                ["--debug"], is_flag=True, expose_value=False, help="Show the traceback of errors.",
                callback=lambda ctx, _param, value: ctx.meta.update(debug=value),
            ),
        ]  # fmt: skip

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; an id is none of the options."""
        if self.ids:
            options = [one for one in self.get_params(ctx) if isinstance(one, click.Option)]
            flags = {name: not (o.is_flag or o.count) for o in options for name in o.opts}
            args = ids_last(flags, args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn what it raises into a `CommandError`."""
        try:
            return super().invoke(ctx)
        except PASSED_ON as error:
            if ctx.meta.get("debug") and error.__cause__ is not None:
                traceback.print_exc()
            raise
        except BrokenPipeError as error:
            raise OutputClosedError from error
        except Exception as error:
            if ctx.meta.get("debug"):
                traceback.print_exc()
            raise CommandError(one_line(error), exit_code(error)) from error


def ids_last(takes_value: Mapping[str, bool], args: Iterable[str]) -> list[str]:
    """Put what is no option behind `--`: `-NxYz` is an id, and not four options.

    Args:
        takes_value: the options, and whether a value follows.
        args: the arguments as they were given.
    """
    options, ids, rest = list[str](), list[str](), list(args)
    while rest:
        word = rest.pop(0)
        if word == "--":
            ids += rest
            break
        is_id = word[:1] != "-" or word == "-" or (len(word) > 2 and word[1] != "-")
        (ids if is_id and word not in takes_value else options).append(word)
        if takes_value.get(word) and rest:
            options.append(rest.pop(0))
    return [*options, "--", *ids]


def one_line(error: Exception) -> str:
    """Describe an error in one line that says what to do.

    Its type is named where the text alone would not say much.
    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if text and type(error).__module__.startswith("extracta_rs"):
        advice = next((said for kind, said in ADVICE.items() if isinstance(error, kind)), None)
        return f"{text}: {advice}" if advice else text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def exit_code(error: Exception) -> int:
    """Return the documented exit code of an error."""
    if isinstance(error, WaitTimeoutError):
        return TIMED_OUT
    return USAGE if isinstance(error, ConfigurationError) else FAILED
