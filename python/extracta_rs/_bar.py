"""A live bar of an upload or a wait: `progress_bar`.

It is to be seen by somebody or not at all: in Jupyter, on a terminal, and silent elsewhere. Nothing
that goes wrong with showing it may end a wait whose documents are paid for.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import uuid
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TextIO, overload

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .models import BatchResults

WIDTH = 28
BETWEEN = 0.1
EARLY = 2.0


class _View(Protocol):
    def show(self, before: str, share: float | None, after: str) -> None: ...
    def end(self) -> None: ...


class _Nowhere:
    def show(self, before: str, share: float | None, after: str) -> None:
        pass

    def end(self) -> None:
        pass


class _Terminal:
    """One line that is written over again and again."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = 0
        try:
            "█░".encode(stream.encoding or "ascii")
            self._marks = "█░"
        except (LookupError, UnicodeEncodeError):
            self._marks = "#-"

    def show(self, before: str, share: float | None, after: str) -> None:
        full, empty = self._marks[0], self._marks[1]
        done = 0 if share is None else int(share * WIDTH)
        bar = f"{full * done}{empty * (WIDTH - done)}"
        line = f"{before}  {bar}  {after}"[: self._columns() - 1]
        # Spaces over what was longer: not every terminal knows the sequence that erases it.
        self._stream.write(f"\r{line}{' ' * (self._shown - len(line))}")
        self._stream.flush()
        self._shown = len(line)

    def end(self) -> None:
        if self._shown:
            self._shown = 0
            self._stream.write("\n")
            self._stream.flush()

    def _columns(self) -> int:
        try:
            return max(os.get_terminal_size(self._stream.fileno()).columns, 20)
        except (OSError, ValueError):
            return 80


class _Notebook:
    """An output of the cell, which is replaced again and again."""

    def __init__(self) -> None:
        self._id: str | None = None

    def show(self, before: str, share: float | None, after: str) -> None:
        # It is there: this runs in its kernel.
        shown: Any = import_module("IPython.display")
        value = "" if share is None else f' value="{share:.4f}"'
        bar = f'<progress max="1"{value} style="width:16em;vertical-align:middle"></progress>'
        data = {
            "text/plain": f"{before} {after}",
            "text/html": f"<div>{escape(before)} {bar} {escape(after)}</div>",
        }
        if self._id is None:
            self._id = f"extracta-{uuid.uuid4().hex}"
            shown.display(data, raw=True, display_id=self._id)
        else:
            shown.update_display(data, raw=True, display_id=self._id)

    def end(self) -> None:
        pass


def _view() -> _View:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is not None:
        return _Notebook()
    stream = sys.stderr
    if stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb":
        return _Terminal(stream)
    return _Nowhere()


class ProgressBar:
    """What `progress_bar` returns: give it as `on_progress`.

    A bar ends by itself once all is sent, or every batch finished; `close`, or a `with` around the
    call, ends the line of one that was broken off.
    """

    def __init__(self, label: str | None, view: _View) -> None:
        self._label = label
        self._view = view
        self._lock = threading.Lock()
        self._batches: dict[str, tuple[int, int, int, bool]] = {}
        self._began: float | None = None
        self._drawn = 0.0

    @overload
    def __call__(self, results: BatchResults, /) -> None: ...
    @overload
    def __call__(self, sent: int, total: int | None, /) -> None: ...

    def __call__(self, *progress: Any) -> None:
        with self._lock:
            now = time.monotonic()
            self._began = now if self._began is None else self._began
            try:
                if len(progress) == 2:
                    self._upload(*progress, now)
                else:
                    self._wait(progress[0], now)
            except (OSError, ValueError):
                # The terminal was closed.
                self._view = _Nowhere()

    def close(self) -> None:
        """End the bar's line; a later call begins anew."""
        with self._lock:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _end(self) -> None:
        self._began, self._drawn = None, 0.0
        try:
            self._view.end()
        except (OSError, ValueError):
            self._view = _Nowhere()

    def _upload(self, sent: int, total: int | None, now: float) -> None:
        finished = sent == total
        if now - self._drawn < BETWEEN and not finished:
            return
        spent = now - (self._began or now)
        share = sent / total if total else None
        size = f"{_bytes(sent)} of {_bytes(total)}" if total else _bytes(sent)
        parts = [size, _clock(spent)]
        if share and spent >= EARLY and not finished:
            parts.append(f"about {_clock(spent / share - spent)} left")
        self._draw("Uploading", share, ", ".join(parts), now)
        if finished:
            self._end()

    def _wait(self, results: BatchResults, now: float) -> None:
        failed = len(results.failed)
        done = len(results.processed) + failed
        self._batches[results.batch_id] = (len(results), done, failed, results.finished)
        total, done, failed = (
            sum(counts[n] for counts in self._batches.values()) for n in range(3)
        )
        said = f"{done} of {total} {'file' if total == 1 else 'files'}" if total else "nothing yet"
        parts = [said, f"{failed} failed" if failed else "", _clock(now - (self._began or now))]
        share = done / total if total else None
        self._draw("Waiting", share, ", ".join(filter(None, parts)), now)
        if all(finished for *_, finished in self._batches.values()):
            self._end()

    def _draw(self, what: str, share: float | None, after: str, now: float) -> None:
        self._drawn = now
        before = what if self._label is None else self._label
        self._view.show("".join(filter(str.isprintable, before)), share, after)

    def __repr__(self) -> str:
        return f"<ProgressBar {type(self._view).__name__.strip('_').lower()}>"


def progress_bar(label: str | None = None) -> ProgressBar:
    """Make a live bar for `on_progress` of an upload or a wait.

    ```python
    results = client.extractions.run(extraction_id, files, on_progress=progress_bar())
    ```

    In Jupyter it is an output of the cell; on a terminal a line of standard error. Elsewhere (in a
    pipe, a log, a service) it shows nothing. Several waits may share one: it counts their files.

    Args:
        label: what stands before it; by default "Uploading" or "Waiting".

    Returns:
        The bar.
    """
    return ProgressBar(label, _view())


def _bytes(count: int) -> str:
    if count < 1000:
        return f"{count} B"
    size = float(count)
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def _clock(seconds: float) -> str:
    minutes, left = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
