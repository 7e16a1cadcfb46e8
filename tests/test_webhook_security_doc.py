"""The programs and the SQL of `docs/webhook-security.md` do what the text says of them."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from extracta_rs.exceptions import SignatureVerificationError
from extracta_rs.webhooks import sign, unwrap

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs/webhook-security.md").read_text("utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)
TABLES, INSERT, WORK = re.findall(r"^```sql\n(.*?)^```$", TEXT, re.M | re.S)
SECRET = "E_AI_K_docs"
FILE: dict[str, Any] = {"fileId": "-f", "status": "processed", "result": {"total": "1"}}


def program(word: str) -> dict[str, Any]:
    [text] = [text for text in PROGRAMS if word in text]
    namespace: dict[str, Any] = {"__name__": "docs"}
    exec(compile(text, "webhook-security.md", "exec"), namespace)
    return namespace


def body_of(*files: Any, event: str = "extraction.processed") -> bytes:
    return json.dumps({"event": event, "result": list(files)}).encode()


def test_every_snippet_is_tested_here() -> None:
    assert len(PROGRAMS) == 3
    assert len(re.findall("^```[a-z]+$", TEXT, re.M)) == 6


def test_links_lead_to_files_and_headings() -> None:
    headings = {
        re.sub(r"\W+", "-", heading.lower()).strip("-")
        for heading in re.findall(r"^#+ (.*)$", TEXT, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        if target.startswith("#"):
            assert target[1:] in headings
        else:
            assert (ROOT / "docs" / target).exists()
    for path in re.findall(r"`((?:src|examples)/[\w./]+)`", TEXT):
        assert (ROOT / path).exists()


def test_the_receiver_decides_by_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    receive = program("def receive")["receive"]
    body = body_of(FILE, {"fileId": "-g", "status": "failed", "error": "blank"})
    header = sign(body, SECRET)
    assert receive(body, header, SECRET) == 204
    assert capsys.readouterr().out == "-f {'total': '1'}\n-g blank\n"
    forged = body_of(FILE, event="extraction.failed\nx")
    assert receive(forged, sign(forged, SECRET), SECRET) == 204
    changed = body_of(FILE, event="extraction.failed")
    assert receive(changed, sign(body_of(FILE), SECRET), SECRET) == 204
    assert "contradicts the files: 'extraction.failed'" in capsys.readouterr().out
    for wrong in (None, "x", sign(body_of(), SECRET)):
        assert receive(body, wrong, SECRET) == 401


def test_the_rotation_accepts_both_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET_NEW", "E_AI_K_new")
    monkeypatch.setenv("WEBHOOK_SECRET_OLD", "E_AI_K_old")
    opened = program("WEBHOOK_SECRET_NEW")["open_delivery"]
    body = body_of(FILE)
    for secret in ("E_AI_K_new", "E_AI_K_old"):
        assert opened(body, sign(body, secret)).files[0].file_id == "-f"
    with pytest.raises(SignatureVerificationError):
        opened(body, sign(body, "E_AI_K_older"))
    # Step 1 forgotten: the endpoint stops rather than to accept anything.
    monkeypatch.setenv("WEBHOOK_SECRET_NEW", "")
    with pytest.raises(ValueError, match="secret"):
        program("WEBHOOK_SECRET_NEW")["open_delivery"](body, sign(body, "E_AI_K_old"))


def test_only_the_words_that_are_acted_on_make_a_row() -> None:
    rows = program("SEPARATE")["rows"]

    def of(event: str | None) -> Any:
        body = body_of(FILE) if event is None else body_of(FILE, event=event)
        return rows(unwrap(body, sign(body, SECRET), SECRET))

    assert of("extraction.processed") == of("extraction.edited") == of("invented")
    [(key, word)], [(same_key, confirmed)] = of("x"), of("extraction.confirmed")
    assert (key, word, confirmed) == (same_key, "", "extraction.confirmed")


def test_numbers_of_the_text_come_out_as_it_says() -> None:
    for sent, message, value in (
        (b"1e400", b"null", None),
        (b"9007199254740993", b"9007199254740992", 9007199254740992),
    ):
        body = b'[{"result":{"n":%s}}]'
        event = unwrap(body % sent, sign(body % message, SECRET), SECRET)
        assert event.files[0].result == {"n": value}


Psql = Callable[..., str]


@pytest.fixture(scope="module")
def psql() -> Iterator[Psql]:
    """Run SQL in a PostgreSQL server of its own; return what it prints."""
    tools = [shutil.which(name) for name in ("initdb", "pg_ctl", "psql")]
    if None in tools:
        pytest.skip("PostgreSQL is not installed (initdb, pg_ctl, psql): its SQL is not tried")
    # It refuses to be run by root.
    user: dict[str, Any] = {"user": "postgres"} if os.getuid() == 0 else {}
    home = Path(tempfile.mkdtemp(prefix="pg"))
    if user:
        shutil.chown(home, "postgres")

    def run(*command: object, text: str | None = None) -> str:
        done = subprocess.run(
            [*map(str, command)],
            input=text,
            capture_output=True,
            text=True,
            cwd=home,
            timeout=60,
            check=False,
            **user,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    server = ["pg_ctl", "-D", home / "data", "-w", "-l", home / "log"]
    options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off"
    try:
        run("initdb", "-D", home / "data", "-A", "trust", "-U", "test", "-E", "UTF8", "--no-sync")
        run(*server, "-o", options, "start")
        try:
            command = ["psql", "-h", home, "-U", "test", "-d", "postgres", "-XAtq"]

            def query(text: str, **variables: object) -> str:
                given = [f"--set={name}={value}" for name, value in variables.items()]
                return run(*command, "-v", "ON_ERROR_STOP=1", *given, text=text).strip()

            yield query
        finally:
            run(*server, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


def test_the_sql_keeps_each_file_once_and_works_it_off(psql: Psql) -> None:
    psql(TABLES)
    files = [{**FILE, "fileId": f"'{number}\0\ud800"} for number in range(3)]
    body = json.dumps(files)
    keys = unwrap(body, sign(body, SECRET), SECRET).dedupe_keys
    stored = dict(zip(keys, map(json.dumps, files), strict=True))

    def store(number: int) -> None:
        word = "extraction.confirmed" if number % 4 == 3 else ""
        statements = [
            INSERT.replace(":'key'", f"'{key}'").replace(":'file'", f":'file{place}'")
            for place, key in enumerate(sorted(stored))
        ]
        values = {f"file{place}": stored[key] for place, key in enumerate(sorted(stored))}
        psql(f"BEGIN;{''.join(statements)}COMMIT;", event=word, **values)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store, range(24)))
    rows = psql("SELECT event, file FROM outbox").splitlines()
    assert sorted(rows) == sorted(
        f"{word}|{text}"
        for word, text in itertools.product(("", "extraction.confirmed"), stored.values())
    )
    # What is rolled back leaves neither the key nor the work.
    psql(f"BEGIN;{INSERT}ROLLBACK;", key="new", event="", file="{}")
    assert psql("SELECT count(*) FROM seen WHERE key = 'new'") == "0"
    numbers = psql("SELECT id FROM outbox ORDER BY id").split()
    for left, number in zip(reversed(range(6)), numbers, strict=True):
        assert psql(WORK, id=number).startswith(f"{number}|")
        assert psql("SELECT count(*) FROM outbox") == str(left)
    assert psql("SELECT count(*) FROM seen") == "6"
