"""`extracta-rs verify` and `extracta-rs sign`."""

from __future__ import annotations

import json

import click

from ..webhooks import SIGNATURE_HEADER, verify_signature
from ..webhooks import sign as signature_of
from ._explain import content, value
from ._outcome import DONE, FAILED, USAGE, CommandError
from ._secret import webhook_secrets


def run_verify(body: str, header: str, as_json: bool) -> int:
    """Verify a signature and return the exit code: 0 where it holds, 1 where it does not."""
    raw = content(body)
    try:
        valid = verify_signature(raw, value(header), webhook_secrets())
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error
    said = "valid" if valid else "not valid: `extracta-rs explain` with the same options tells why"
    click.echo(json.dumps({"valid": valid}) if as_json else said)
    return DONE if valid else FAILED


def run_sign(body: str, as_json: bool) -> None:
    """Print the signature of a body."""
    raw = content(body)
    try:
        made = signature_of(raw, webhook_secrets()[0])
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error
    click.echo(json.dumps({"header": SIGNATURE_HEADER, "value": made}) if as_json else made)
