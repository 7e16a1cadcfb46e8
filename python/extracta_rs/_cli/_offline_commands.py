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


@click.command(cls=Command)
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    show_default=True,
    help="Port on 127.0.0.1; 0 takes any that is free.",
)
@click.option(
    "--processing-time",
    default=1.0,
    type=click.FloatRange(min=0),
    show_default=True,
    metavar="SECONDS",
    help="From an upload to its results.",
)
@click.option("--webhook-url", metavar="URL", help="Where finished batches are announced.")
@click.option("--legacy-webhook", is_flag=True, help="The generation without an event in its body.")
@click.option(
    "--fail", "fail_files", multiple=True, metavar="NAME", help="A file whose processing fails."
)
@click.option("--seed", type=int, help="The same number gives the same ids and results.")
def emulator(
    port: int, processing_time: float, webhook_url: str | None, legacy_webhook: bool,
    fail_files: tuple[str, ...], seed: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Run the service on this machine, to try things out without a key.

    Prints what to set in another terminal, then each request as a line. Results are made up from
    the template. Deliveries are signed with EXTRACTA_WEBHOOK_SECRET, or with E_AI_K_test: send
    them to `extracta-rs listen` with --webhook-url http://127.0.0.1:8765/. With --json each
    request is one JSON object on a line, after a first one with the URL. Ctrl-C ends it, with exit
    code 0.
    """
    from ._emulate import run_emulator

    settings = {
        "port": port, "processing_time": processing_time, "webhook_url": webhook_url,
        "legacy_webhook": legacy_webhook, "fail_files": fail_files,
    }  # fmt: skip
    with contextlib.suppress(KeyboardInterrupt):
        run_emulator(seed, as_json, settings)


COMMANDS = (demo, emulator)
