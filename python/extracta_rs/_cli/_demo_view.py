"""What a person, or with `--json` a program, sees of the demo.

Results go to standard output; progress to standard error, and only where that is a terminal.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.console import Console, RenderableType
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from .. import BatchResults, FileResult
    from ._demo import Report

NARROW, WIDE = 64, 104
PIPED_WIDTH = 160


class JsonView:
    """Keeps silent, then prints the report as one JSON object."""

    def started(self, emulator_url: str, webhook_url: str) -> None:
        pass

    def created(self, extraction_id: str) -> None:
        pass

    def uploading(self, sent: int, total: int | None) -> None:
        pass

    def uploaded(self, batch_id: str, count: int) -> None:
        pass

    def polled(self, results: BatchResults) -> None:
        pass

    def close(self) -> None:
        pass

    def show(self, report: Report) -> None:
        """Print the report."""
        ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
        click.echo(json.dumps(as_json(report), ensure_ascii=ascii_only, indent=2))


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as what `--json` prints."""
    return {
        "extraction_id": report.results.extraction_id,
        "batch_id": report.results.batch_id,
        "files": [
            {"file_name": file.file_name, "status": file.status, "result": file.result}
            for file in report.results.files
        ],
        "requests": [
            {"call": call, "status": status, "count": count}
            for (call, status), count in report.requests.items()
        ],
        "bytes_uploaded": report.bytes_uploaded,
        "polling": {"requests": report.polls, "seconds": round(report.polling_seconds, 3)},
        "webhook": {
            "event": report.event,
            "verified": report.deliveries_verified,
            "refused": report.deliveries_refused,
            "same_results": report.webhook_same,
        },
        "forged_webhook": {"status": report.forged_status},
        "seconds": round(report.seconds, 3),
        "problems": report.problems,
    }


class TextView:
    """Prints each step, a table of the extracted fields, and what happened."""

    def __init__(self) -> None:
        self.out = Console(highlight=False, emoji=False, markup=False)
        if not self.out.is_terminal:
            self.out = Console(highlight=False, emoji=False, markup=False, width=PIPED_WIDTH)
        self.err = Console(stderr=True, highlight=False, emoji=False)
        self.progress: Progress | None = None
        self.task = TaskID(0)
        self.status: Status | None = None
        self.count = 0

    def started(self, emulator_url: str, webhook_url: str) -> None:
        self.print(f"Emulator on {emulator_url}", f"Webhooks to {webhook_url}")

    def created(self, extraction_id: str) -> None:
        self.print(f"Extraction {extraction_id} created from the invoice template")

    def uploading(self, sent: int, total: int | None) -> None:
        if not self.err.is_terminal:
            return
        if self.progress is None:
            columns = (TextColumn("Uploading"), BarColumn(), DownloadColumn())
            self.progress = Progress(*columns, console=self.err)
            self.task = self.progress.add_task("", total=total)
            self.progress.start()
        self.progress.update(self.task, completed=sent, total=total)

    def uploaded(self, batch_id: str, count: int) -> None:
        self.count = count
        if self.progress is not None:
            self.progress.stop()
        self.print(f"Batch {batch_id} uploaded, waiting by polling and by webhook")
        if self.err.is_terminal:
            self.status = self.err.status("Waiting")
            self.status.start()

    def polled(self, results: BatchResults) -> None:
        if self.status is not None:
            done = len(results.processed) + len(results.failed)
            self.status.update(f"Waiting: {done} of {self.count} documents done")

    def close(self) -> None:
        """End what is moving on the terminal."""
        for moving in (self.progress, self.status):
            if moving is not None:
                moving.stop()

    def show(self, report: Report) -> None:
        """Print the extracted fields and what happened."""
        rows = [cells(file) for file in report.results.files]
        self.print("")
        if self.out.width < NARROW:
            for row in rows:
                self.print(grid(row, "bold"), "")
        elif rows:
            self.print(table(rows, self.out.width), "")
        self.print(Text("What happened", "bold"), grid(facts(report)))

    def print(self, *parts: RenderableType) -> None:
        """Print parts below each other, without the white space that fills up their lines."""
        with self.out.capture() as capture:
            for part in parts:
                self.out.print(part)
        click.echo("\n".join(line.rstrip() for line in capture.get().split("\n")), nl=False)


def cells(file: FileResult) -> dict[str, str]:
    """Return the fields of a document that the table shows, by column."""
    said = file.result
    supplier = said.get("supplier") or {}
    return {
        "Document": file.file_name or "",
        "Number": said.get("invoice_number", ""),
        "Supplier": supplier.get("name", ""),
        "Date": said.get("issue_date", ""),
        "Due": said.get("due_date", ""),
        "Total": said.get("total", ""),
        "Currency": said.get("currency", ""),
        "Lines": str(len(said.get("line_items") or [])),
    }


def table(rows: list[dict[str, str]], width: int) -> Table:
    """Lay out the documents with a line for each; less fits on a terminal of usual width."""
    columns = [name for name in rows[0] if width >= WIDE or name not in ("Due", "Lines")]
    out = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
    for name in columns:
        out.add_column(
            name,
            justify="right" if name in ("Total", "Lines") else "left",
            overflow="fold",
            no_wrap=name not in ("Document", "Supplier"),
        )
    for row in rows:
        out.add_row(*(Text(row[name]) for name in columns))
    return out


def grid(lines: dict[str, str], first: str = "") -> Table:
    """Lay out names and what belongs to them, the first line in the style `first`."""
    out = Table.grid(padding=(0, 2))
    out.add_column(no_wrap=True, style="dim")
    out.add_column(overflow="fold")
    for index, (name, value) in enumerate(lines.items()):
        out.add_row(name, Text(value, first if index == 0 else ""))
    return out


def facts(report: Report) -> dict[str, str]:
    """Say in words what happened."""
    calls = [
        f"{count} x {call}" + ("" if status == 200 else f" (answered {status})")
        for (call, status), count in report.requests.items()
    ]
    webhook = "none came"
    if report.event is not None:
        same = "same results as polling" if report.webhook_same else "OTHER results than polling"
        verified, refused = report.deliveries_verified, report.deliveries_refused
        count = verified + refused
        webhook = f"{count} {'delivery' if count == 1 else 'deliveries'} ({report.event}): "
        webhook += f"{verified} verified, {refused} refused, {same}"
    forged = "not tried"
    if report.forged_status is not None:
        verdict = "refused" if report.forged_status == 401 else "NOT refused"
        forged = f"the same delivery with another total: {verdict} ({report.forged_status})"
    return {
        "Requests": ", ".join(calls),
        "Uploaded": f"{len(report.results)} documents, {decimal(report.bytes_uploaded)}",
        "Polling": f"finished after {report.polling_seconds:.1f} s and {report.polls} requests",
        "Webhook": webhook,
        "Forgery": forged,
        "Time": f"{report.seconds:.1f} s",
    }
