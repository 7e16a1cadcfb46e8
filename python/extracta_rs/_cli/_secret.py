"""Where commands take secrets and the API key from: never an argument, which others can see."""

from __future__ import annotations

import getpass
import os
import sys
import warnings

from .. import Client
from .._shared import SECRET_VARIABLE, environment_secrets
from ._outcome import USAGE, CommandError

KEY_VARIABLE = "EXTRACTA_API_KEY"


def webhook_secrets() -> list[str]:
    """Return the webhook secrets: from the environment, or else asked for on the terminal."""
    return environment_secrets() or [_ask("webhook secret", SECRET_VARIABLE)]


def connect() -> Client:
    """Build a client with the key of the environment, or else one asked for on the terminal."""
    if os.environ.get(KEY_VARIABLE, "").strip():
        return Client()
    return Client(_ask("API key", KEY_VARIABLE))


def _ask(what: str, variable: str) -> str:
    missing = CommandError(f"there is no {what}: set {variable}", USAGE)
    if not (sys.stdin.isatty() or sys.stderr.isatty()):
        raise missing
    with warnings.catch_warnings():
        # What getpass says before it would show what is typed.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            secret = getpass.getpass(f"{what[0].upper()}{what[1:]} (hidden): ")
        except (getpass.GetPassWarning, EOFError):
            raise missing from None
    if not secret.strip():
        raise missing
    return secret
