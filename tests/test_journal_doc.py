"""docs/journal.md: its states, tables, version, keys and commands are those of the program."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import subprocess
import sysconfig
from pathlib import Path
from typing import get_args

from extracta_rs import Journal
from extracta_rs.journal import DocumentState

PAGE = (Path(__file__).parent.parent / "docs" / "journal.md").read_text(encoding="utf-8")
COMMAND = Path(sysconfig.get_path("scripts")) / "extracta-rs"


def test_the_states_are_those_of_the_journal() -> None:
    table = PAGE.partition("## States")[2].partition("##")[0]
    assert tuple(re.findall(r"^\| (\w+) \|", table, re.M))[1:] == get_args(DocumentState)


def test_the_tables_and_the_version_are_those_of_the_file(tmp_path: Path) -> None:
    Journal(tmp_path / "j").close()
    with contextlib.closing(sqlite3.connect(tmp_path / "j")) as journal:
        tables = {name for (name,) in journal.execute("SELECT name FROM sqlite_schema WHERE "
                                                     "type = 'table'")}  # fmt: skip
        (version,) = journal.execute("PRAGMA user_version").fetchone()
    line = PAGE.partition("- Tables:")[2].partition("version")[0]
    assert set(re.findall(r"`(\w+)`", line)) == tables
    assert f"is {version};" in PAGE


def test_the_commands_are_real(tmp_path: Path) -> None:
    Journal(tmp_path / "invoices.journal").close()
    commands = re.findall(r"^extracta-rs (journal .*)$", PAGE, re.M)
    assert len(commands) == 4
    for command in commands:
        done = subprocess.run([COMMAND, *command.split()], cwd=tmp_path, check=False)
        assert done.returncode == 0, command
