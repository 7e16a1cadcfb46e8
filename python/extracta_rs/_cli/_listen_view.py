"""What `extracta-rs listen` prints: a line for each delivery, or with `--json` an object."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from .._shared import SECRET_VARIABLE


class JsonView:
    """Prints a JSON object on a line for each delivery, and one before them."""

    def started(self, url: str, forward_to: str | None) -> None:
        self._print({"type": "started", "url": url, "forward_to": forward_to})

    def show(self, delivery: dict[str, Any], replay: bool) -> None:
        self._print({"type": "replay" if replay else "delivery", **delivery})

    def _print(self, value: dict[str, Any]) -> None:
        click.echo(json.dumps(value))


class TextView:
    """Prints a line for each delivery, in colours on a terminal."""

    def __init__(self) -> None:
        self._out = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)

    def started(self, url: str, forward_to: str | None) -> None:
        """Tell where deliveries are to be sent, and how to try it."""
        passed_on = plain(forward_to) if forward_to else "nowhere (name an app with --forward-to)"
        self._print(
            Text.assemble("Deliveries to  ", (url, "bold"), "  (POST, any path)"),
            Text(f"Passed on to   {passed_on}"),
            Text.assemble("Watch them at  ", (url, "bold")),
            Text(f"Try it with    extracta-rs trigger extraction.processed --url {url}"),
            Text(f"               ({SECRET_VARIABLE} must be the same there). Ctrl-C ends.", "dim"),
        )

    def show(self, delivery: dict[str, Any], replay: bool) -> None:
        """Print the line of a delivery, or of its replay."""
        self._print(line(delivery, replay))

    def _print(self, *lines: Text) -> None:
        with self._out.capture() as capture:
            for each in lines:
                self._out.print(each)
        click.echo(capture.get(), nl=False)


def line(delivery: dict[str, Any], replay: bool) -> Text:
    """Return a delivery in one line."""
    attempts = delivery["attempts"]
    when = attempts[-1]["time"] if replay else delivery["time"]
    parts = [
        Text(datetime.fromisoformat(when).astimezone().strftime("%H:%M:%S"), "dim"),
        Text(f"#{delivery['id']}" + (" replayed" if replay else "")),
        Text(event(delivery), "bold"),
        Text(files(delivery)),
        verdict(delivery),
        outcome(attempts[-1]) if attempts else Text(f"answered {delivery['answered']}"),
    ]
    if note := notes(delivery):
        parts.append(Text(note))
    return Text("  ").join(part for part in parts if part)


def event(delivery: dict[str, Any]) -> str:
    """Name the event, or say that there is none."""
    if delivery["file_count"] is None:
        return "not an event"
    return "legacy" if delivery["legacy"] else plain(delivery["event"])


def files(delivery: dict[str, Any]) -> str:
    """Say how many files there are, in which state, of which batch."""
    count = delivery["file_count"]
    if count is None:
        return f"{delivery['bytes']} bytes"
    said = ", ".join(f"{number} {plain(name)}" for name, number in delivery["statuses"].items())
    text = f"{count} {'file' if count == 1 else 'files'}" + (f" ({said})" if said else "")
    batches = [plain(name) for name in delivery["batch_ids"]]
    if batches:
        more = f" and {len(batches) - 1} more" if len(batches) > 1 else ""
        text += f"  batch {batches[0]}{more}"
    return text


def verdict(delivery: dict[str, Any]) -> Text:
    """Say whether the signature holds."""
    if not delivery["valid"]:
        return Text(f"INVALID: {delivery['reason']}", "bold red")
    return Text("valid", "green")


def outcome(attempt: dict[str, Any]) -> Text:
    """Say what the app answered."""
    if attempt["status"] is None:
        return Text(f"app: {plain(attempt['error'])}", "red")
    style = "green" if 200 <= attempt["status"] < 300 else "yellow"
    return Text(f"app {attempt['status']} in {attempt['ms']} ms", style)


def notes(delivery: dict[str, Any]) -> str:
    """Say what else there is to know."""
    said, attempts = [], delivery["attempts"]
    if not delivery["valid"]:
        said.append(delivery["hint"].partition(". ")[0].rstrip("."))  # The page has all of it.
        if any(200 <= (attempt["status"] or 0) < 300 for attempt in attempts[-1:]):
            said.append("your app accepted it: it must answer 401")
    if delivery["problem"]:
        said.append(delivery["problem"])
    if delivery["event_consistent"] is False:
        said.append("the event, which is not signed, does not fit the files")
    return plain("; ".join(said))


def plain(text: str) -> str:
    """Return a text that a terminal can only show: nothing in it moves, colours or hides."""
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char)[0] == "C" or unicodedata.category(char) in ("Zl", "Zp")
        else char
        for char in text
    )
