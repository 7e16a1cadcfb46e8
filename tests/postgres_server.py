"""A PostgreSQL server of the tests' own, as Debian's packages bring it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

FOLDERS = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
USER = "postgres"  # initdb refuses to run as root


def programs() -> Path | None:
    """Return the folder of `initdb` and `postgres`, or None."""
    found = shutil.which("initdb")
    elsewhere = [Path(found).resolve().parent] if found else []
    return next(iter([*FOLDERS, *elsewhere]), None)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class PostgresServer:
    """A server with a folder and a port of its own, from `with` on.

    Args:
        settings: what to set in `postgresql.conf`.
    """

    def __init__(self, **settings: str) -> None:
        bin_folder = programs()
        assert bin_folder, "PostgreSQL is not installed"
        self.bin, self._settings = bin_folder, settings
        self._root = os.geteuid() == 0
        self.user = USER if self._root else pwd.getpwuid(os.geteuid()).pw_name
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="extracta-pg-"))
        if self._root:
            shutil.chown(self.folder, USER, USER)
        self.port = free_port()
        data = str(self.folder / "data")
        self._run("initdb", "-D", data, "-U", self.user, "-A", "trust", "--no-sync", "-E", "UTF8")
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def _command(self, program: str, *args: str) -> list[str]:
        become = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"]
        return [*(become if self._root else []), str(self.bin / program), *args]

    def _run(self, program: str, *args: str) -> str:
        command = self._command(program, *args)
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "16MB",
            "logging_collector": "off",
            **self._settings,
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", str(self.folder / "data"), *options),
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        deadline = time.monotonic() + 30
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def answers(self) -> bool:
        """Tell whether it takes connections."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-d", "postgres"]
        command = [str(self.bin / "pg_isready"), "-q", *where]
        return subprocess.run(command).returncode == 0

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: at once by default, in disorder with SIGQUIT."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)

    def query(self, sql: str, database: str = "postgres") -> str:
        """Run a statement; return what psql prints, without headings."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", self.user, "-d", database]
        return self._run("psql", "-X", "-q", "-t", "-A", *where, "-c", sql).strip()

    def schema(self, **options: object) -> str:
        """Make a schema, which takes less time than a database; return its URL."""
        self._count += 1
        name = f"journal_{self._count}"
        self.query(f"CREATE SCHEMA {name}")
        words = {"lease": 3, **options, "options": f"-csearch_path%3D{name}"}
        return self._url("postgres", words)

    def _url(self, database: str, options: dict[str, object]) -> str:
        words = "&".join(f"{key}={value}" for key, value in options.items())
        return f"postgresql://{self.user}@127.0.0.1:{self.port}/{database}?{words}"

    def database(self, **options: object) -> str:
        """Make a database; return its URL, with a short lease by default."""
        self._count += 1
        name = f"journal_{self._count}"
        self.query(f"CREATE DATABASE {name}")
        return self._url(name, {"lease": 3, **options})
