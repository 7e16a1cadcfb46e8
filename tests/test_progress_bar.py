"""`progress_bar`: a line on a terminal, silence elsewhere, and no harm to what is waited for."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import FIELDS, Face

import extracta_rs
from extracta_rs import AsyncClient, BatchResults, Client, ProgressBar, _bar, progress_bar
from extracta_rs.testing import Emulator

pty = pytest.importorskip("pty")

PROGRAM = """
    import sys
    from extracta_rs import Client, progress_bar
    from extracta_rs.testing import Emulator

    with Emulator(processing_time=0.3, fail_files=["b.pdf"]) as emulator:
        with Client(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0) as client:
            made = client.extractions.create("Invoices", fields=[{"key": "total"}])
            bar = progress_bar(*sys.argv[1:])
            files = [("a.pdf", b"%PDF" * 500_000), ("b.pdf", b"%PDF")]
            batch = client.extractions.upload(made.extraction_id, files, on_progress=bar)
            batch.wait(poll_interval=0.05, on_progress=bar)
    print("done")
"""


def on_a_terminal(*args: str, columns: int = 80, **env: str) -> tuple[str, str]:
    """Run the program with standard error on a terminal; return what came on output and there."""
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(PROGRAM), *args],
        stdout=subprocess.PIPE,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **env},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            chunk = os.read(leader, 4096)
        except OSError:
            break  # Linux says so that the other side was closed.
        if not chunk:
            break
        shown += chunk
    os.close(leader)
    assert child.stdout
    with child.stdout:
        out = child.stdout.read().decode()
    assert child.wait(20) == 0, shown
    return out, shown.decode()


def frames(shown: str) -> list[list[str]]:
    """Return what was written over, line by line."""
    lines = shown.replace("\r\n", "\n").split("\n")
    assert lines.pop() == ""
    return [line.split("\r")[1:] for line in lines]


def test_on_a_terminal_one_line_for_each_stage() -> None:
    out, shown = on_a_terminal()
    assert out == "done\n"
    uploading, waiting = frames(shown)
    assert uploading[-1].startswith(f"Uploading  {'█' * 28}  2.0 MB of 2.0 MB, 0:0")
    assert len(waiting) >= 2
    assert waiting[0].startswith("Waiting  ░")
    assert re.match(f"Waiting  {'█' * 28}  2 of 2 files, 1 failed, 0:0[0-9] *$", waiting[-1])
    assert "\x1b" not in shown


def test_a_label_a_narrow_terminal_and_ascii() -> None:
    _, shown = on_a_terminal("Bills\x1b[2J\n", columns=40, PYTHONIOENCODING="ascii")
    lines = [frame for line in frames(shown) for frame in line]
    assert lines
    assert all(line.startswith("Bills[2J  ") and len(line) <= 39 for line in lines)
    assert "#" in lines[-1]
    assert "\x1b" not in shown
    assert shown.isascii()


def test_silent_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(PROGRAM)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("done\n", "")
    assert on_a_terminal(TERM="dumb") == ("done\n", "")


def test_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert repr(progress_bar()) == "<ProgressBar nowhere>"


class Screen(io.StringIO):
    """A terminal that breaks when told to."""

    encoding = "utf-8"
    broken = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.broken:
            raise BrokenPipeError
        return super().write(text)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    monkeypatch.setenv("TERM", "xterm")
    # Not of `sys` itself: pytest sets that one anew when the test begins.
    screen = Screen()
    monkeypatch.setattr(_bar, "sys", SimpleNamespace(stderr=screen, modules=sys.modules))
    return screen


def test_both_clients_and_every_verb_take_it(screen: Screen, face: Face) -> None:
    created = face("extractions.create", "Invoices", fields=FIELDS).extraction_id
    batch = face("extractions.upload", created, ("a.pdf", b"%PDF"), on_progress=progress_bar())
    face("extractions.wait", created, batch.batch_id, on_progress=progress_bar("By id"))
    face.run(batch.wait, on_progress=progress_bar("By batch"))
    face("extractions.run", created, ("b.pdf", b"%PDF"), on_progress=progress_bar("Run"))
    written = screen.getvalue()
    for label in ("Uploading", "By id", "By batch", "Run"):
        [line] = [line for line in written.split("\n") if line.startswith(f"\r{label} ")]
        assert "█" * 28 in line
    assert written.endswith("\n")


def test_a_terminal_that_goes_away_does_not_end_the_wait(
    screen: Screen, extracta_client: Client, extraction_id: str
) -> None:
    bar = progress_bar()
    screen.broken = True
    [file] = extracta_client.extractions.run(extraction_id, ("a.pdf", b"%PDF"), on_progress=bar)
    assert file.status == "processed"
    assert repr(bar) == "<ProgressBar nowhere>"
    screen.close()
    bar = progress_bar()
    extracta_client.extractions.run(extraction_id, ("b.pdf", b"%PDF"), on_progress=bar)
    bar.close()


def test_waits_share_a_bar(screen: Screen) -> None:
    async def main(emulator: Emulator) -> None:
        settings: dict[str, Any] = {"base_url": emulator.base_url, "min_poll_spacing": 0}
        async with AsyncClient(emulator.api_key, **settings) as client:
            made = (await client.extractions.create("Many", fields=FIELDS)).extraction_id
            files = [[(f"{n}-{m}.pdf", b"%PDF") for m in range(2)] for n in range(3)]
            batches = [await client.extractions.upload(made, part) for part in files]
            with progress_bar() as bar:
                waits = [batch.wait(poll_interval=0.02, on_progress=bar) for batch in batches]
                await asyncio.gather(*waits)

    with Emulator(polls_until_finished=3) as emulator:
        asyncio.run(main(emulator))
    assert frames(screen.getvalue())[-1][-1].startswith(f"Waiting  {'█' * 28}  6 of 6 files")


def test_a_with_ends_the_line_of_a_wait_that_was_broken_off(screen: Screen) -> None:
    with pytest.raises(ZeroDivisionError), progress_bar() as bar:
        bar(10, 100)
        raise ZeroDivisionError
    assert re.fullmatch(r"\rUploading  ██░+  10 B of 100 B, 0:00\n", screen.getvalue())


class View:
    """Remembers what is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, float | None, str]] = []

    def show(self, before: str, share: float | None, after: str) -> None:
        self.shown.append((before, share, after))

    def end(self) -> None:
        self.shown.append(("end", None, ""))


def test_what_is_said_and_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    bar = ProgressBar(None, view := View())
    bar(0, 8_000_000)
    bar(1, 8_000_000)  # Too soon to be shown.
    now = 1006.0
    bar(2_000_000, 8_000_000)
    now = 1006.01
    bar(8_000_000, 8_000_000)
    bar(5, None)
    assert view.shown == [
        ("Uploading", 0.0, "0 B of 8.0 MB, 0:00"),
        ("Uploading", 0.25, "2.0 MB of 8.0 MB, 0:06, about 0:18 left"),
        ("Uploading", 1.0, "8.0 MB of 8.0 MB, 0:06"),
        ("end", None, ""),
        ("Uploading", None, "5 B"[:3] + ", 0:00"),
    ]


def results(batch_id: str, *statuses: str) -> BatchResults:
    files = [{"fileId": str(n), "status": status} for n, status in enumerate(statuses)]
    finished = bool(files) and all(status in ("processed", "failed") for status in statuses)
    return BatchResults._load({"files": files}, finished, "-e", None, batch_id)


def test_what_a_wait_says() -> None:
    bar = ProgressBar(None, view := View())
    bar(results("-b"))
    bar(results("-b", "processed"))
    bar(results("-c", "waiting", "strange"))
    bar(results("-c", "failed", "processed"))
    assert [(share, after[: -len(", 0:00")]) for _, share, after in view.shown] == [
        (None, "nothing yet"),
        (1.0, "1 of 1 file"),
        (None, ""),
        (1 / 3, "1 of 3 files"),
        (1.0, "3 of 3 files, 1 failed"),
        (None, ""),
    ]


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_999, "1.0 MB"),
     (5 * 10**9, "5.0 GB"), (10**15, "1000.0 TB")],
)  # fmt: skip
def test_sizes(count: int, said: str) -> None:
    assert _bar._bytes(count) == said


def test_times() -> None:
    assert [_bar._clock(seconds) for seconds in (-1, 59.9, 60, 3661)] == [
        "0:00", "0:59", "1:00", "1:01:01",
    ]  # fmt: skip


def test_nothing_is_imported_for_it_before_it_is_used() -> None:
    program = (
        "import sys, extracta_rs; extracta_rs.Client; print('extracta_rs._bar' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"False\n"
    assert "progress_bar" in dir(extracta_rs)
