"""What the tests of the command line share: the installed command in a process of its own, against
an emulator whose log is the judge."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sysconfig
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from run_tools import uploaded

from extracta_rs import Client
from extracta_rs.testing import Emulator

SCRIPTS = sysconfig.get_path("scripts")
COMMAND = Path(SCRIPTS) / "extracta-rs"
FIELDS = [{"key": "total", "description": "the total", "example": "12.50"}]
QUICK = ("--poll-interval", "0.02")

Done = subprocess.CompletedProcess[str]


@dataclass
class Shell:
    """A place to run commands in: a working directory, a home, an emulator."""

    emulator: Emulator
    place: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of the commands, with nothing of the tests' own in it."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("EXTRACTA_", "FORCE_"))}
        return {
            **kept,
            "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
            "EXTRACTA_API_KEY": self.emulator.api_key,
            "EXTRACTA_BASE_URL": self.emulator.base_url,
            "XDG_STATE_HOME": str(self.place / "state"),
            "PYTHONWARNINGS": "error",
            "TERM": "xterm-256color",
            **changes,
        }

    def __call__(self, *args: object, stdin: str = "", **changes: str) -> Done:
        """Run `extracta-rs` to its end."""
        return subprocess.run(
            [COMMAND, *map(str, args)], input=stdin, capture_output=True, text=True,
            encoding="utf-8", timeout=60, cwd=self.place, env=self.environment(**changes),
            check=False,
        )  # fmt: skip

    def sh(self, command: str, **changes: str) -> Done:
        """Give a command to a shell, as a person does."""
        return subprocess.run(
            ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            encoding="utf-8", timeout=60, cwd=self.place, env=self.environment(**changes),
            check=False,
        )  # fmt: skip

    def start(self, *args: object, **changes: str) -> subprocess.Popen[str]:
        """Begin `extracta-rs`."""
        process = subprocess.Popen(
            [COMMAND, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, encoding="utf-8", cwd=self.place,
            env=self.environment(**changes),
        )  # fmt: skip
        self.running.append(process)
        return process

    def on_a_terminal(
        self,
        *args: object,
        stdout: int | None = None,
        act: Callable[[bytes], int | None] = lambda _: None,
        **changes: str,
    ) -> tuple[int, str]:
        """Run `extracta-rs` on a terminal; return its exit code and all that the terminal got.

        Args:
            args: the arguments.
            stdout: what it prints to, if not the terminal.
            act: is told what has been shown, and returns a signal to be sent, or None.
            changes: changes of the environment.
        """
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        process = subprocess.Popen(
            [COMMAND, *map(str, args)], stdin=slave, stdout=stdout or slave, stderr=slave,
            cwd=self.place, env=self.environment(**changes),
        )  # fmt: skip
        os.close(slave)
        shown, deadline = bytearray(), time.monotonic() + 60
        try:
            while time.monotonic() < deadline:
                if not select.select([master], [], [], 0.05)[0]:
                    continue
                try:
                    chunk = os.read(master, 65536)
                except OSError:
                    break
                if not chunk:
                    break
                shown += chunk
                if wanted := act(bytes(shown)):
                    process.send_signal(wanted)
            return process.wait(timeout=10), shown.decode()
        finally:
            os.close(master)
            process.kill()

    def uploads(self) -> Counter[str | None]:
        """Return how often the service took each document, by name."""
        counts: Counter[str | None] = Counter()
        for (name, _), count in uploaded(self.emulator).items():
            counts[name] += count
        return counts

    def calls(self, endpoint: str) -> int:
        """Return how many requests came to an endpoint."""
        return sum(request.endpoint == endpoint for request in self.emulator.requests())

    def client(self) -> Client:
        """Return a client of the test's own."""
        return Client(self.emulator.api_key, base_url=self.emulator.base_url, min_poll_spacing=0)

    def extraction(self) -> str:
        """Create an extraction."""
        with self.client() as client:
            return client.extractions.create("Invoices", fields=FIELDS).extraction_id

    def batch(self, *names: str) -> tuple[str, str]:
        """Upload a batch; return the ids of its extraction and its own."""
        extraction_id = self.extraction()
        with self.client() as client:
            files: Any = [(name, b"%PDF " + name.encode()) for name in names or ("a.pdf",)]
            return extraction_id, client.extractions.upload(extraction_id, files).batch_id

    def folder(self, count: int, name: str = "in") -> Path:
        """Make a folder of documents."""
        folder = self.place / name
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.pdf").write_bytes(b"%%PDF %d" % number)
        return folder


@contextlib.contextmanager
def shells(folder: Path) -> Iterator[Callable[..., Shell]]:
    """Make such a place in a folder, with an emulator of these settings."""
    with contextlib.ExitStack() as stack:

        def make(**settings: Any) -> Shell:
            place = folder / "a place"
            place.mkdir()
            made = Shell(stack.enter_context(Emulator(**settings)), place)

            def end() -> None:
                for process in made.running:
                    process.kill()
                    process.communicate()

            stack.callback(end)
            return made

        yield make


def interrupt(process: subprocess.Popen[str]) -> None:
    """Press Ctrl-C."""
    process.send_signal(signal.SIGINT)


def said(done: Done) -> str:
    """Return the one line of an error, which has no control characters."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("extracta-rs: ")]
    assert len(lines) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == lines[0]
    assert lines[0].isprintable()
    return lines[0]
