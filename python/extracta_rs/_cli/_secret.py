"""Where commands take the webhook secret from: never an argument, which others can see."""

from __future__ import annotations

import getpass
import sys
import warnings

from .._shared import SECRET_VARIABLE, environment_secrets
from ._outcome import USAGE, CommandError


def webhook_secrets() -> list[str]:
    """Return the webhook secrets: from the environment, or else asked for on the terminal."""
    return environment_secrets() or [_ask()]


def _ask() -> str:
    missing = CommandError(f"there is no webhook secret: set {SECRET_VARIABLE}", USAGE)
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
