"""`extracta-rs emulator`: the service on this machine, and what it is asked, as lines."""

from __future__ import annotations

import json
import secrets
import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from .._shared import environment_secrets
from ..testing import Emulator
from ._listen_view import plain
from ._outcome import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .. import _core

BETWEEN_LOOKS = 0.1
MOST_OPEN = 1000
TEST_SECRET = "E_AI_K_test"  # noqa: S105  for tests only


def run_emulator(seed: int | None, as_json: bool, settings: dict[str, Any]) -> None:
    """Serve until Ctrl-C; print where, and each request once it is answered.

    Args:
        seed: what ids and results follow from; None for new ids each time, so that no journal
            takes this service for an earlier one.
        as_json: whether to print JSON objects.
        settings: those of `Emulator`, as they are.
    """
    secret = (environment_secrets() or [TEST_SECRET])[0]
    settings["seed"] = secrets.randbits(63) if seed is None else seed
    try:
        emulator = Emulator(webhook_secret=secret, **settings).start()
    except (ValueError, OSError) as error:
        raise CommandError(f"the emulator cannot be started: {error}", USAGE) from error
    try:
        for line in introduction(emulator, as_json):
            click.echo(line)
        for request in requests(emulator._server, threading.Event()):
            click.echo(told(request, as_json))
    finally:
        emulator.stop()


def introduction(emulator: Emulator, as_json: bool) -> Iterator[str]:
    """Tell where the service is, in a form that a shell can take over."""
    url, key = emulator.base_url, emulator.api_key
    if as_json:
        yield json.dumps({"type": "started", "base_url": url, "api_key": key})
        return
    yield f"export EXTRACTA_BASE_URL={url}"
    yield f"export EXTRACTA_API_KEY={key}"
    yield "# The requests follow. Ctrl-C ends it, and all it knows is gone."


def requests(server: _core.Emulator, ended: threading.Event) -> Iterator[dict[str, Any]]:
    """Yield each request once it is answered, in the order of the answers.

    Args:
        server: the emulator's core.
        ended: ends the waiting for more.
    """
    oldest, shown = 0, set[int]()
    while not ended.wait(BETWEEN_LOOKS):
        first, found = server.requests_from(oldest)
        for number, request in enumerate(found, first):
            if request["status"] is not None and number not in shown:
                shown.add(number)
                yield request
        newest = first + len(found)
        # One that is never answered must not make each look longer.
        oldest = max(first, newest - MOST_OPEN)
        while oldest in shown:
            oldest += 1
        shown = {number for number in shown if number > oldest}


def told(request: dict[str, Any], as_json: bool) -> str:
    """Return a request as a line. The key is not among what is told."""
    files = [part["file_name"] for part in request["parts"] if part["name"] == "files"]
    if as_json:
        kept = (
            "method", "path", "status", "extraction_id", "classification_id", "batch_id",
        )  # fmt: skip
        when = datetime.fromtimestamp(request["unix_time"]).astimezone().isoformat()
        shown = {name: request[name] for name in kept}
        return json.dumps({"type": "request", "time": when, **shown, "files": files})
    when = datetime.fromtimestamp(request["unix_time"]).strftime("%H:%M:%S")
    ids = " ".join(request[name] for name in ("extraction_id", "batch_id") if request[name])
    names = plain(", ".join(name or "?" for name in files[:3]))
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    parts = (when, request["status"], request["method"], plain(request["path"]), plain(ids))
    return "  ".join(str(part) for part in (*parts, names + more) if part)
