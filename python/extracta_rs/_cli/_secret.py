"""Where commands take the webhook secret from: never an argument, which others can see."""

from __future__ import annotations

import getpass
import os
import sys
import warnings

from ._app import USAGE, CommandError

VARIABLE = "EXTRACTA_WEBHOOK_SECRET"


def webhook_secrets() -> list[str]:
    """Return the webhook secrets: from the environment, or else asked for on the terminal.

    `EXTRACTA_WEBHOOK_SECRET` holds one, or several separated by white space. One alone is taken
    with the white space around it, as a program takes it that reads the variable.
    """
    value = os.environ.get(VARIABLE, "")
    words = value.split()
    if not words:
        return [_ask()]
    return words if len(words) > 1 else [value]


def _ask() -> str:
    missing = CommandError(f"there is no webhook secret: set {VARIABLE}", USAGE)
    if not (sys.stdin.isatty() or sys.stderr.isatty()):
        raise missing
    with warnings.catch_warnings():
        # What getpass says before it would show what is typed.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            secret = getpass.getpass("Webhook secret (hidden): ")
        except (getpass.GetPassWarning, EOFError):
            raise missing from None
    if not secret.strip():
        raise missing
    return secret
