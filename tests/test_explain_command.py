"""`extracta-rs explain` as a user runs it: the installed command, in a process of its own."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import pty
import subprocess
import sysconfig
import termios
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import explain_signature, sign

COMMAND = Path(sysconfig.get_path("scripts")) / "extracta-rs"
SECRET = "E_AI_K_säcret-0123456789"
BODY = '{"event":"extraction.processed","result":[{"fileName":"Müller.pdf"}]}'.encode()
HEADER = sign(BODY, SECRET)


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body.json"
    path.write_bytes(BODY)
    return path


def run(
    *args: object, secret: str | None = SECRET, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    ran = subprocess.run(
        [COMMAND, "explain", *map(str, args)],
        input=stdin,
        capture_output=True,
        timeout=60,
        env=environment(secret),
        check=False,
    )
    assert b"0123456789" not in ran.stdout + ran.stderr
    return ran


def environment(secret: str | None) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k != "EXTRACTA_WEBHOOK_SECRET"}
    given = {} if secret is None else {"EXTRACTA_WEBHOOK_SECRET": secret}
    return {**kept, **given, "PYTHONWARNINGS": "error", "PYTHONUTF8": "1"}


def test_a_signature_that_holds(body: Path) -> None:
    ran = run("--body", body, "--header", HEADER)
    assert (ran.returncode, ran.stderr) == (0, b"")
    answer, hint = ran.stdout.decode().splitlines()
    assert answer == "valid (valid, matched the raw body, secret 1)"
    assert hint == explain_signature(BODY, HEADER, SECRET).hint


@pytest.mark.parametrize("name", ["x-webhook-signature", "X-Webhook-Signature "])
def test_a_header_may_be_a_whole_line(body: Path, name: str) -> None:
    assert run("--body", body, "--header", f"{name}: {HEADER}").returncode == 0
    ran = run("--body", body, "--header", f"x-other: {HEADER}")
    assert (ran.returncode, b"not_base64" in ran.stdout) == (1, True)


def test_the_body_may_come_from_stdin_as_bytes() -> None:
    latin1 = BODY.decode().encode("latin-1")
    ran = run("--body", "-", "--header", HEADER, stdin=latin1)
    assert (ran.returncode, ran.stderr) == (1, b"")
    assert ran.stdout.startswith(b"not valid (encoded_as_latin1, secret 1)\n")


def test_json_has_the_fields_of_the_report(body: Path) -> None:
    for header in (HEADER, HEADER.rstrip("="), "", "?"):
        ran = run("--body", body, "--header", header, "--json")
        report = explain_signature(BODY, header, SECRET)
        assert json.loads(ran.stdout) == dataclasses.asdict(report)
        assert ran.returncode == (0 if report.valid else 1)


def test_several_secrets_are_separated_by_white_space(body: Path) -> None:
    ran = run("--body", body, "--header", HEADER, "--json", secret=f" old\n{SECRET} ")
    assert json.loads(ran.stdout)["secret_index"] == 1


def test_one_secret_is_taken_as_a_program_takes_it(body: Path) -> None:
    ran = run("--body", body, "--header", HEADER, secret=f"{SECRET}\n")
    assert ran.stdout.startswith(b"not valid (secret_not_stripped, secret 1)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--body", "missing.json", "--header", "x"], "there is no file missing.json: store"),
        (["--body", ".", "--header", "x"], ". is a directory"),
        (["--body", "a/b", "--header", "x"], "there is no file a/b"),
        (["--header", "x"], "Missing option '--body'. (see extracta-rs explain --help)"),
        (["--body", "-"], "Missing option '--header'. (see extracta-rs explain --help)"),
    ],
)
def test_wrong_usage_is_told_in_one_line(arguments: list[str], message: str) -> None:
    ran = run(*arguments)
    assert (ran.returncode, ran.stdout) == (2, b"")
    (line,) = ran.stderr.decode().splitlines()
    assert line.startswith("extracta-rs: ")
    assert message in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_told(body: Path) -> None:
    body.chmod(0)
    ran = run("--body", body, "--header", HEADER)
    assert (ran.returncode, ran.stderr) == (
        2, f"extracta-rs: cannot read {body}: Permission denied\n".encode(),
    )  # fmt: skip


@pytest.mark.parametrize("secret", [None, "", " \n"])
def test_without_a_secret_and_a_terminal(body: Path, secret: str | None) -> None:
    ran = run("--body", body, "--header", HEADER, secret=secret)
    expected = b"extracta-rs: there is no webhook secret: set EXTRACTA_WEBHOOK_SECRET\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, b"", expected)


def test_an_unusable_secret(body: Path) -> None:
    ran = run("--body", body, "--header", HEADER, secret="E_AI_K_")
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr.startswith(b"extracta-rs: a webhook secret is empty")


def on_a_terminal(typed: bytes, *args: object) -> tuple[int, bytes, bytes]:
    """Type at the prompt; return the exit code, stdout, and what the terminal showed."""
    master, slave = pty.openpty()
    options: dict[str, Any] = {"stdin": slave, "stderr": slave, "stdout": subprocess.PIPE}
    process = subprocess.Popen(
        [COMMAND, "explain", *map(str, args)],
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        env=environment(None),
        **options,
    )
    os.close(slave)
    shown = b""
    while b"hidden" not in shown or not shown.rstrip(b" ").endswith(b":"):
        shown += os.read(master, 1024)
    os.write(master, typed)
    out, _ = process.communicate(timeout=60)
    while True:
        try:
            shown += os.read(master, 1024)
        except OSError:  # the end of a pseudo terminal
            break
    os.close(master)
    return process.returncode, out, shown


def test_the_secret_is_asked_for_and_not_shown(body: Path) -> None:
    arguments = ("--body", body, "--header", HEADER)
    code, out, shown = on_a_terminal(f"{SECRET}\n".encode(), *arguments)
    assert (code, out.splitlines()[0]) == (0, b"valid (valid, matched the raw body, secret 1)")
    assert b"Webhook secret (hidden)" in shown
    assert b"0123456789" not in shown
    for typed, expected in ((b"\n", 2), (b"\x04", 2), (b"\x03", 130)):
        code, out, shown = on_a_terminal(typed, *arguments)
        assert (code, out) == (expected, b""), shown
