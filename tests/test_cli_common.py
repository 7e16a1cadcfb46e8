"""What all commands promise: exit codes, `--json`, one-line errors, no secrets as arguments,
completion; and that docs/command-line.md says so."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from cli_tools import QUICK, Shell, said

from extracta_rs._cli._app import cli
from extracta_rs._cli._command import Command
from extracta_rs._cli._outcome import MEANINGS
from extracta_rs._cli._progress import Bars, _Handler

Make = Callable[..., Shell]
PAGE = (Path(__file__).parent.parent / "docs" / "command-line.md").read_text(encoding="utf-8")


def commands(group: click.Group = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command with what it is called by."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")
        else:
            yield path + name, command


COMMANDS = dict(commands())


def test_the_commands_of_the_surface_are_there() -> None:
    wanted = "demo emulator extract wait results verify sign explain credits listen trigger"
    assert set(wanted.split()) <= set(COMMANDS)
    for name, command in COMMANDS.items():
        assert isinstance(command, Command), name
        assert {"--json", "--debug"} <= {one for param in command.params for one in param.opts}


def test_no_option_takes_a_key_or_a_secret() -> None:
    options = {one for c in COMMANDS.values() for param in c.params for one in param.opts}
    assert not {one for one in options if re.search("secret|key|token|password", one)}


def test_the_table_of_exit_codes() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.replace("\\|", "/"), re.M)
    assert {int(code): text.replace("/", "|") for code, text in rows} == MEANINGS


def test_the_help_has_the_table(shell: Make) -> None:
    sh = shell()
    for words in (("--help",), ("extract", "-h"), ("journal", "status", "--help")):
        done = sh(*words)
        assert done.returncode == 0
        for code, meaning in MEANINGS.items():
            assert f"{code:>3}  {meaning}\n" in done.stdout


def test_the_page_names_each_command_and_no_option_that_is_not_there() -> None:
    first = PAGE.partition("Every command has")[0]
    named = {word for cell in re.findall(r"^\| (`.+?) \|", first, re.M)
             for word in re.findall(r"`([\w ]+)`", cell)}  # fmt: skip
    told = {name.split()[0] for name in COMMANDS} | {
        name.split()[1] for name in COMMANDS if " " in name
    }
    assert {word for words in named for word in words.split()} == told
    options = {one for c in COMMANDS.values() for param in c.params for one in param.opts}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) - {"--help"}
    assert used <= options
    for name in ("extract", "wait", "results", "emulator", "verify", "sign"):
        own = {one for param in COMMANDS[name].params for one in param.opts if one[:2] == "--"}
        missing = own - used - {"--legacy-webhook"}
        assert not missing, f"{name}: the page says nothing of {missing}"


def test_the_keys_of_json_are_on_the_page(shell: Make) -> None:
    sh = shell(fail_files=["1.pdf"])
    sh.folder(2)
    sh.emulator.faults.add("uploadFiles", status=400, times=2)
    told = json.loads(sh("extract", "in", "--template", "invoice", "--json", *QUICK).stdout)
    assert told["unfinished"]
    assert told["files"]
    keys = {*told, *told["files"][0], *told["unfinished"][0]} - {"unknown"}
    assert keys == {key for key in keys if f"`{key}`" in PAGE}


def test_a_bad_key_everywhere(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    for words in (
        ("credits",),
        ("results", "-NxYz", "-OaBc"),
        ("wait", "-NxYz", "-OaBc", *QUICK),
        ("extract", "in", "--extraction", "-NxYz"),
        ("extract", "in", "--template", "invoice"),
        ("templates", "create", "invoice"),
    ):
        done = sh(*words, EXTRACTA_API_KEY="sk-wrong-0123456789")
        assert (done.returncode, done.stdout) == (1, ""), words
        assert "401" in said(done)
        assert "is EXTRACTA_API_KEY the vendor's key" in said(done)
        assert "0123456789" not in done.stderr
    assert not sh.uploads()


def test_no_key(shell: Make) -> None:
    sh = shell()
    done = sh("credits", EXTRACTA_API_KEY="")
    assert (done.returncode, said(done)) == (
        2, "extracta-rs: there is no API key: set EXTRACTA_API_KEY",
    )  # fmt: skip


def test_the_key_is_asked_for_on_a_terminal_and_not_shown(shell: Make) -> None:
    sh = shell()
    master, slave = pty.openpty()
    process = subprocess.Popen(
        ["extracta-rs", "credits"], stdin=slave, stderr=slave, stdout=subprocess.PIPE,
        env=sh.environment(EXTRACTA_API_KEY=""), start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while b"API key (hidden): " not in shown:
        shown += os.read(master, 1000)
    os.write(master, f"{sh.emulator.api_key}\n".encode())
    out, _ = process.communicate(timeout=20)
    with contextlib.suppress(OSError):  # The end of a terminal.
        while chunk := os.read(master, 1000):
            shown += chunk
    os.close(master)
    assert (process.returncode, out) == (0, b"100000\n")
    assert sh.emulator.api_key.encode() not in shown


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from extracta_rs._cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "extract", "x"], capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert 'pip install "extracta_rs[cli]"' in said(done)


def test_without_pyarrow(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    (sh.place / "sitecustomize.py").write_text("import sys; sys.modules['pyarrow'] = None\n")
    done = sh(
        "extract", "in", "--template", "invoice", "--out", "x.parquet", PYTHONPATH=str(sh.place)
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert 'pip install "extracta_rs[arrow]"' in said(done)
    assert sh.emulator.requests() == []


def test_debug_shows_the_traceback_above_the_line(shell: Make) -> None:
    sh = shell()
    done = sh("results", "-NxYz", "-OaBc", "--debug")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert said(done)
    sh.folder(1)
    refused = sh("extract", "in", "--model", "nowhere:X", "--debug")
    assert refused.returncode == 2
    assert "ModuleNotFoundError" in refused.stderr


def test_no_terminal_no_control_characters(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    ids = sh.batch()
    forced = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}
    for words in (
        ("extract", "in", "--template", "invoice", *QUICK),
        ("wait", *ids, *QUICK),
        ("results", *ids),
        ("templates", "list"),
        ("credits",),
    ):
        done = sh(*words, **forced)
        assert done.returncode == 0, done.stderr
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr)


def complete(sh: Shell, *words: str) -> list[str]:
    """Return what the shell would offer for the last of the words."""
    done = sh(
        _EXTRACTA_RS_COMPLETE="bash_complete", COMP_WORDS=" ".join(("extracta-rs", *words)),
        COMP_CWORD=str(len(words)),
    )  # fmt: skip
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_completion(shell: Make) -> None:
    sh = shell()
    assert "_EXTRACTA_RS_COMPLETE=bash_source extracta-rs" in PAGE
    source = sh(_EXTRACTA_RS_COMPLETE="bash_source")
    assert "complete " in source.stdout
    assert complete(sh, "ext") == ["extract"]
    assert complete(sh, "extract", "--te") == ["--template"]
    assert complete(sh, "extract", "--template", "in") == ["invoice"]
    assert complete(sh, "journal", "ex") == ["export"]
    assert "--classification" in complete(sh, "wait", "-NxYz", "--")


def test_the_disk_is_full(shell: Make) -> None:
    sh = shell()
    done = sh.sh("extracta-rs templates list > /dev/full")
    assert done.returncode == 1
    assert "No space left" in said(done)


def test_unknown_words(shell: Make) -> None:
    sh = shell()
    for words in (("extrct",), ("extract", "--tmplate", "invoice", "x"), ("wait", "--no")):
        done = sh(*words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "--help)" in said(done)


def codes() -> dict[int, Any]:
    """Return a way to each exit code."""
    return {
        0: ("credits",),
        1: ("results", "-NxYz", "-OaBc"),
        2: ("credits", "--nonsense"),
        3: ("extract", "in/bad.pdf", "--template", "invoice", *QUICK),
        4: ("extract", "in/late.pdf", "--template", "invoice", "--timeout", "0.5"),
    }


def test_each_exit_code_can_be_had(shell: Make) -> None:
    sh = shell(fail_files=["bad.pdf"])
    (sh.place / "in").mkdir()
    for name in ("bad.pdf", "late.pdf"):
        (sh.place / "in" / name).write_bytes(name.encode())
    assert {code: sh(*words).returncode for code, words in codes().items()} == {
        code: code for code in codes()
    }
    # Those of Ctrl-C and of a closed output are in test_cli_stop.py.
    assert set(MEANINGS) == {*codes(), 130, 141}


def test_a_job_without_a_terminal_tells_once_a_minute_what_it_waits_for(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    handler = _Handler(Bars(lambda _: None), debug=False)
    for seconds in (1, 9.9, 10, 30, 69, 71):
        clock[0] = 100.0 + seconds
        handler.handle(logging.makeLogRecord({"msg": f"at {seconds}\x1b", "levelno": 20}))
    handler.handle(logging.makeLogRecord({"msg": "a warning", "levelno": 30}))
    assert capfd.readouterr().err.splitlines() == ["at 10\\x1b", "at 71\\x1b", "a warning"]
