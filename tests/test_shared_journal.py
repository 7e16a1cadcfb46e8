"""A journal in PostgreSQL that processes share: leases, breaks of the connection, secrets."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from conftest import COMMAND, without_postgres
from postgres_server import PostgresServer
from run_tools import FAST, hold, names, once, uploaded

from extracta_rs import Client, Journal, JournalError
from extracta_rs.testing import Emulator

Start = Callable[..., subprocess.Popen[str]]
End = Callable[..., str]
SECRET = "s3cret-pässword"


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    return postgres.database()


@pytest.fixture
def seeded(extraction_id: str, extracta_client: Client) -> str:
    """An extraction that has a batch already, so that its view shows batches."""
    extracta_client.extractions.upload(extraction_id, ("before.txt", b"before"))
    return extraction_id


def everything(folder: Path) -> Any:
    return once(
        ("before.txt", b"before"), *((path.name, path.read_bytes()) for path in folder.iterdir())
    )


def test_two_workers_share_one_folder(
    seeded: str,
    extracta_emulator: Emulator,
    tmp_path: Path,
    database: str,
    start: Start,
    end: End,
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number:02}.pdf").write_bytes(b"%%PDF %d" % number)
    arguments = (extracta_emulator.base_url, "test-key", seeded, folder, database)
    workers = [start("run_many.py", *arguments) for _ in range(3)]
    assert [int(end(worker)) for worker in workers] == [30, 30, 30]
    assert uploaded(extracta_emulator) == everything(folder)
    with Journal(database, create=False) as journal:
        journal.check()
        assert journal.status()["finished"] == 60
        assert sorted(file.file_name or "" for told in journal.results() for file in told) == [
            path.name for path in sorted(folder.iterdir())
        ]


class Narrow:
    """Stands before the emulator; lets uploads pass up to a size, until it is opened."""

    def __init__(self, port: int, size: int) -> None:
        self._port, self._size = port, size
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.opened, self.full = threading.Event(), threading.Event()
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    towards = source is client
                    arguments = (source, sink, towards)
                    threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, towards: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                passed += len(data)
                if towards and passed > self._size:
                    self.full.set()
                    self.opened.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.opened.set()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def narrow(extracta_emulator: Emulator) -> Iterator[Narrow]:
    port = int(extracta_emulator.base_url.split(":")[2].split("/")[0])
    narrow = Narrow(port, 1_000_000)
    yield narrow
    narrow.close()


def test_a_worker_that_stood_still_sends_nothing_after_its_lease(
    seeded: str,
    extracta_client: Client,
    extracta_emulator: Emulator,
    narrow: Narrow,
    tmp_path: Path,
    database: str,
    start: Start,
    end: End,
) -> None:
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "large.pdf").write_bytes(b"%PDF" + bytes(40_000_000))
    url = f"http://127.0.0.1:{narrow.port}/api/v1"
    sleeper = start("run_many.py", url, "test-key", seeded, folder, database)
    assert narrow.full.wait(20)
    sleeper.send_signal(signal.SIGSTOP)
    try:
        # It is waited for until its lease has run out; then it is looked for, and sent again.
        found = list(
            extracta_client.extractions.run_many(seeded, folder.iterdir(), journal=database, **FAST)
        )
    finally:
        narrow.opened.set()
        sleeper.send_signal(signal.SIGCONT)
    assert names(found) == ["large.pdf"]
    # It finds that another one has uploaded it, and waits for that one's results.
    assert end(sleeper) == "1\n"
    assert uploaded(extracta_emulator) == everything(folder)


def test_a_run_goes_on_when_its_connections_are_cut(
    seeded: str,
    extracta_client: Client,
    extracta_emulator: Emulator,
    folder: Path,
    postgres: PostgresServer,
    database: str,
) -> None:
    found = []
    options = {**FAST, "max_files_per_batch": 1, "concurrency": 1}
    runs = extracta_client.extractions.run_many(
        seeded, sorted(folder.iterdir()), journal=database, **options
    )
    for results in runs:
        found.append(results)
        postgres.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'extracta_rs'"
        )
    assert len(names(found)) == 7
    assert uploaded(extracta_emulator) == everything(folder)


@pytest.mark.usefixtures("postgres")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_the_server_is_restarted_in_the_middle_of_a_run(
    seeded: str,
    extracta_client: Client,
    extracta_emulator: Emulator,
    tmp_path: Path,
    how: signal.Signals,
) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.pdf").write_bytes(b"%%PDF %d" % number)
    with PostgresServer() as server:
        database = server.database(lease=10)
        options = {**FAST, "max_files_per_batch": 1, "concurrency": 2}
        runs = extracta_client.extractions.run_many(
            seeded, sorted(folder.iterdir()), journal=database, **options
        )
        found = [next(runs)]
        server.stop(how)
        threading.Timer(1.0, server.start).start()
        found += list(runs)
        assert len(names(found)) == 12
        assert uploaded(extracta_emulator) == everything(folder)
        with Journal(database, create=False) as journal:
            assert journal.status()["finished"] == 12


@pytest.mark.usefixtures("postgres")
def test_a_server_that_stays_away_ends_the_run_and_the_next_one_goes_on(
    seeded: str, extracta_client: Client, extracta_emulator: Emulator, folder: Path
) -> None:
    with PostgresServer() as server:
        database = server.database()
        options = {**FAST, "max_files_per_batch": 1, "concurrency": 1}
        files = sorted(folder.iterdir())
        runs = extracta_client.extractions.run_many(seeded, files, journal=database, **options)
        next(runs)
        server.stop()
        with pytest.raises(JournalError, match=r"cannot be reached|heartbeats"):
            list(runs)
        server.start()
        found = list(
            extracta_client.extractions.run_many(seeded, files, journal=database, **options)
        )
    assert len(names(found)) == 7
    assert uploaded(extracta_emulator) == everything(folder)


def test_a_label_is_uploaded_once(
    seeded: str, extracta_client: Client, extracta_emulator: Emulator, database: str
) -> None:
    found = []

    def submit(content: bytes) -> None:
        batch = extracta_client.extractions.submit(
            seeded, ("a.pdf", content), idempotency_label="order 1", journal=database
        )
        found.append(str(batch))

    threads = [threading.Thread(target=submit, args=(b"%%PDF %d" % n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert sum(uploaded(extracta_emulator).values()) == 2  # with the one before


def test_the_command_line_takes_a_url(
    seeded: str, extracta_emulator: Emulator, folder: Path, database: str, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "EXTRACTA_API_KEY": extracta_emulator.api_key,
        "EXTRACTA_BASE_URL": extracta_emulator.base_url,
        "XDG_STATE_HOME": str(tmp_path),
    }

    def command(*words: str) -> str:
        options: Any = {"capture_output": True, "text": True, "env": environment}
        done = subprocess.run([COMMAND, *words], **options)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    command("extract", "--extraction", seeded, "--journal", database, "--json", str(folder))
    told = json.loads(command("journal", "status", database, "--json"))
    assert "7" in json.dumps(told)
    assert len(command("journal", "results", database, "--json").splitlines()) == 7
    assert len(command("journal", "export", database).splitlines()) == 7
    assert json.loads(command("journal", "retry", database, "--failed", "--yes", "--json")) == {
        "freed": 0
    }
    assert uploaded(extracta_emulator) == everything(folder)


def test_newer_tables_and_none_are_told(postgres: PostgresServer, database: str) -> None:
    with pytest.raises(JournalError, match="no journal in this database"):
        Journal(database, create=False)
    Journal(database).close()
    name = database.rsplit("/", 1)[1].split("?")[0]
    postgres.query("UPDATE extracta_journal SET version = 99", name)
    with pytest.raises(JournalError, match="newer release"):
        Journal(database)
    with pytest.raises(JournalError, match="create the database"):
        Journal(database.replace(name, "nowhere"))


def test_two_processes_make_the_tables_at_once(database: str) -> None:
    program = f"from extracta_rs import Journal; print(Journal({database!r}).status()['planned'])"
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["0\n"] * 4


@pytest.fixture
def guarded(postgres: PostgresServer) -> str:
    """A database whose user needs a password; its URL has none."""
    rules = postgres.folder / "data" / "pg_hba.conf"
    text = rules.read_text()
    if "guarded" not in text:
        postgres.query(f"CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '{SECRET}'")
        rules.write_text(f"host all guarded 127.0.0.1/32 scram-sha-256\n{text}")
        postgres.query("SELECT pg_reload_conf()")
    return postgres.database().replace(f"//{postgres.user}@", "//guarded@")


def test_passwords_come_from_the_url_or_as_with_libpq(
    guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(JournalError, match="PGPASSWORD"):
        Journal(guarded)
    with pytest.raises(JournalError, match="password authentication failed"):
        Journal(guarded.replace("//guarded@", "//guarded:wrong@"))

    inside = guarded.replace("//guarded@", "//guarded:s3cret-p%C3%A4ssword@")
    with Journal(inside) as journal:
        assert journal.path == guarded
        assert repr(journal) == f"Journal({guarded!r})"
        journal.status()

    monkeypatch.setenv("PGPASSWORD", SECRET)
    Journal(guarded).close()
    monkeypatch.delenv("PGPASSWORD")

    kept = tmp_path / ".pgpass"
    kept.write_text(f"*:*:*:guarded:{SECRET}\n")
    kept.chmod(0o644)
    with pytest.raises(JournalError, match="password"):
        Journal(guarded)
    kept.chmod(0o600)
    Journal(guarded).close()


@pytest.mark.skipif(without_postgres() is not None, reason=str(without_postgres()))
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://me:{}@127.0.0.1:1/d", "cannot be reached"),
        ("postgresql://me:{}@127.0.0.1:1/d?nonsense=1", "no URL that can be read"),
        ("postgresql:///d?password={}", "names no host"),
        ("postgresql://me:{}@no.such.host.invalid/d", "no.such.host.invalid"),
        ("postgresql://me:{}@127.0.0.1:1/d?lease=0", "3 to 3600 seconds"),
    ],
)
def test_no_error_tells_a_password(url: str, told: str) -> None:
    with pytest.raises(JournalError) as caught:
        Journal(url.format("hunter22"))
    assert told in str(caught.value)
    assert "hunter22" not in str(caught.value) + repr(caught.value) + caught.value.journal


@pytest.mark.skipif(
    without_postgres() != "the module was built without the feature `postgres`",
    reason="the module was built with the feature `postgres`",
)
def test_a_build_without_postgres_says_how_to_get_one() -> None:
    with pytest.raises(
        JournalError, match=r"feature `postgres`, see docs/installation.md"
    ) as caught:
        Journal("postgresql://me:hunter22@db/d")
    assert "hunter22" not in str(caught.value) + caught.value.journal


@pytest.fixture(scope="module")
def encrypted(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A server that encrypts: its URL, and the certificate of its authority."""
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    folder = tmp_path_factory.mktemp("authority")
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    with PostgresServer(fsync="off") as server:
        data = server.folder / "data"
        made.private_key_pem.write_to_path(str(data / "server.key"))
        made.cert_chain_pems[0].write_to_path(str(data / "server.crt"))
        for file in (data / "server.key", data / "server.crt"):
            file.chmod(0o600)
            shutil.chown(file, server.user)
        rules = data / "pg_hba.conf"
        rules.write_text("hostssl all all 127.0.0.1/32 trust\n")
        server.query("ALTER SYSTEM SET ssl = on")
        server.stop()
        server.start()
        url = f"postgresql://{server.user}@localhost:{server.port}/postgres?hostaddr=127.0.0.1"
        yield url, folder / "authority.pem"


def test_an_encrypted_connection_is_verified(
    encrypted: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, authority = encrypted
    with Journal(f"{url}&sslmode=verify-full&sslrootcert={authority}") as journal:
        assert journal.status()["planned"] == 0
    for mode in ("prefer", "require"):
        with pytest.raises(JournalError, match="sslrootcert=FILE"):
            Journal(f"{url}&sslmode={mode}")
    monkeypatch.setenv("PGSSLROOTCERT", str(authority))
    Journal(f"{url}&sslmode=require").close()
    with pytest.raises(JournalError, match="certificate"):
        Journal(f"{url}&sslmode=require".replace("localhost", "other.example"))
    with pytest.raises(JournalError, match=r"no pg_hba\.conf entry"):
        Journal(f"{url}&sslmode=disable")


def test_an_ended_run_is_not_waited_for(
    seeded: str, extracta_client: Client, folder: Path, postgres: PostgresServer, database: str
) -> None:
    name = database.rsplit("/", 1)[1].split("?")[0]
    files = sorted(folder.iterdir())
    list(extracta_client.extractions.run_many(seeded, files, journal=database, **FAST))
    hold(lambda: postgres.query("SELECT count(*) FROM extracta_runs", name) == "0", 2.0)
    # Nor is a connection left.
    count = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
    began = time.monotonic()
    hold(lambda: postgres.query(count) == "0", 5.0)
    assert time.monotonic() - began < 5
