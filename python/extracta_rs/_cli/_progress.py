"""What moves on the terminal while a command works: bars on standard error, and nowhere else; and
what the client logs meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from ._again import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import RenderableType
    from rich.progress import TaskID


PATIENCE, BETWEEN_LINES = 10.0, 60.0


class Bars(Progress):
    """Bars that show what `look` finds at each of their looks, ten times a second.

    Args:
        look: told these bars, and what they show; called on a thread of its own.
    """

    def __init__(self, look: Callable[[Bars], object]) -> None:
        self._look = look
        self._rows: dict[str, TaskID] = {}
        self._looking = True  # Not while it is made.
        self.note = ""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[count]}"),
            TimeRemainingColumn(),
        )
        super().__init__(
            *columns,
            console=Console(stderr=True, highlight=False, emoji=False, markup=False),
            transient=True,
            redirect_stdout=False,  # What goes to a pipe must not come to the terminal.
            redirect_stderr=False,
            disable=not (sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")),
        )
        self._looking = False

    def row(self, name: str, done: float, total: float | None, count: str) -> None:
        """Set one bar, and the text beside it."""
        if name not in self._rows:
            self._rows[name] = self.add_task(name, total=total, count=count)
        self.update(self._rows[name], completed=done, total=total, count=count)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Look, and return what is to be shown: the bars, and a note below them."""
        if not self._looking:
            self._looking = True  # A row that is added asks for this once more.
            try:
                self._look(self)
            finally:
                self._looking = False
        yield from super().get_renderables()
        if self.note:
            yield Text(self.note, "dim")

    def stop(self) -> None:
        """Take the bars away. Where there are none older releases of rich print an empty line."""
        if not self.disable:
            super().stop()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bars away while something is printed."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """Show what the client logs: on a terminal below the bars.

        Elsewhere its warnings, and of the rest a line a minute: who reads the log of a job shall
        see why it takes so long. With `--debug` all of it.
        """
        debug = bool(click.get_current_context().meta.get("debug"))
        logger, handler = logging.getLogger("extracta_rs"), _Handler(self, debug)
        before = logger.level, logger.propagate
        logger.setLevel(logging.DEBUG if debug else logging.INFO)
        logger.addHandler(handler)
        logger.propagate = False
        try:
            with self:
                yield
        finally:
            logger.removeHandler(handler)
            logger.level, logger.propagate = before


class _Handler(logging.Handler):
    def __init__(self, bars: Bars, debug: bool) -> None:
        super().__init__()
        self._bars, self._debug = bars, debug
        self._next = time.monotonic() + PATIENCE

    def emit(self, record: logging.LogRecord) -> None:
        text = shown(record.getMessage())
        if self._bars.disable:
            now = time.monotonic()
            if self._debug or record.levelno >= logging.WARNING or now >= self._next:
                self._next = now + BETWEEN_LINES
                click.echo(text, err=True)
        elif self._debug:
            self._bars.console.print(Text(text), soft_wrap=True)
        else:
            self._bars.note = text
