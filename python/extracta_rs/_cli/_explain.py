"""`extracta-rs explain`: what is wrong with a signature."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from ..webhooks import SIGNATURE_HEADER, SignatureReport, explain_signature
from ._outcome import FAILED, USAGE, CommandError
from ._secret import webhook_secrets


def run_explain(body: str, header: str, as_json: bool) -> int:
    """Explain a signature and return the exit code: 0 where it holds, 1 where it does not."""
    raw = content(body)
    try:
        report = explain_signature(raw, value(header), webhook_secrets())
    except ValueError as error:
        raise CommandError(str(error), USAGE) from error
    click.echo(json.dumps(dataclasses.asdict(report)) if as_json else _text(report))
    return 0 if report.valid else FAILED


def content(body: str) -> bytes:
    """Return the bytes of a body: of a file, or of standard input."""
    if body == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(body).read_bytes()
    except FileNotFoundError:
        advice = "store the raw body of the request in a file, or pass - to read it from stdin"
        raise CommandError(f"there is no file {body}: {advice}", USAGE) from None
    except IsADirectoryError:
        raise CommandError(f"{body} is a directory: name the file of the body", USAGE) from None
    except OSError as error:
        raise CommandError(f"cannot read {body}: {error.strerror}", USAGE) from None


def value(header: str) -> str:
    """Return the value of a header that may be a whole line."""
    name, colon, value = header.partition(":")
    return value if colon and name.strip().lower() == SIGNATURE_HEADER else header


def _text(report: SignatureReport) -> str:
    details: list[str] = [report.reason]
    if report.matched is not None:
        details.append(f"matched the {report.matched} body")
    if report.secret_index is not None:
        details.append(f"secret {report.secret_index + 1}")
    answer = "valid" if report.valid else "not valid"
    return f"{answer} ({', '.join(details)})\n{report.hint}"
