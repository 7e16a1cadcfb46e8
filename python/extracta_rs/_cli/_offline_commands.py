"""The commands that need no key and no network."""

from __future__ import annotations

import contextlib

import click

from ._command import Command
from ._outcome import CommandError


@click.command(cls=Command)
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


COMMANDS = (demo,)
