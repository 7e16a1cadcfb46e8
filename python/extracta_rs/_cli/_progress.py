"""What moves on the terminal while a command works: bars on standard error, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import RenderableType
    from rich.progress import TaskID


class Bars(Progress):
    """Bars that show what `look` finds at each of their looks, ten times a second.

    Args:
        look: told these bars, and what they show; called on a thread of its own.
    """

    def __init__(self, look: Callable[[Bars], object]) -> None:
        self._look = look
        self._rows: dict[str, TaskID] = {}
        self._looking = True  # Not while it is made.
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
            disable=not (sys.stderr.isatty() and os.environ.get("TERM") != "dumb"),
        )
        self._looking = False

    def row(self, name: str, done: float, total: float | None, count: str) -> None:
        """Set one bar, and the text beside it."""
        if name not in self._rows:
            self._rows[name] = self.add_task(name, total=total, count=count)
        self.update(self._rows[name], completed=done, total=total, count=count)

    def get_renderables(self) -> Iterable[RenderableType]:
        """Look, and return what is to be shown."""
        if not self._looking:
            self._looking = True  # A row that is added asks for this once more.
            try:
                self._look(self)
            finally:
                self._looking = False
        yield from super().get_renderables()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bars away while something is printed."""
        self.stop()
        try:
            yield
        finally:
            self.start()
