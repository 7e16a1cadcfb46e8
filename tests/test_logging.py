"""docs/observability.md has each message that the code can emit; nothing secret is logged."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import Client, ExtractaError, WaitTimeoutError
from extracta_rs.testing import Emulator

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (DEBUG|INFO|WARNING|ERROR) \| `(.*?)` \|", PAGE, re.M)
LEVELS = {
    "debug": "DEBUG", "info": "INFO", "warn": "WARNING", "warning": "WARNING",
    "error": "ERROR", "exception": "ERROR",
}  # fmt: skip
RUST = re.compile(r'\blog::(\w+)!\(\s*target: "extracta_rs",\s*"((?:[^"\\]|\\.)*)"', re.S)
METHODS = "debug|info|warning|error|exception|critical|log"
CALLS = re.compile(rf"(?<![.\w])_?log(?:ger)?\.(?:{METHODS})\(")
PYTHON = re.compile(r'\b_log\.(\w+)\(\s*"([^"]*)"')
SECRET = "SECRET-WORD-55"


def shape(message: str) -> str:
    """Return a message with all that differs as `{}`."""
    message = re.sub(r"\\\n\s*", "", message)
    return re.sub(r"\{[^}]*\}|%[sd]", "{}", message)


def emitted() -> list[tuple[str, str]]:
    """Return level and shape of each message in the sources."""
    found = []
    for path in (ROOT / "src").rglob("*.rs"):
        source = path.read_text(encoding="utf-8")
        messages = RUST.findall(source)
        calls = re.findall(r"\blog::(?:error|warn|info|debug|trace)!", source)
        assert len(messages) == len(calls), f"{path}: a message that this test cannot read"
        found += messages
    for path in (ROOT / "python").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        messages = PYTHON.findall(source)
        assert len(messages) == len(CALLS.findall(source)), path
        found += messages
    return [(LEVELS[level], shape(message)) for level, message in found]


def test_the_page_has_each_message_and_no_other() -> None:
    documented = [(level, shape(message)) for level, message in ROWS]
    assert len(documented) == len(set(documented))
    assert set(documented) == set(emitted())
    assert len(documented) >= 15


def documented(record: logging.LogRecord) -> bool:
    """Tell whether the page has a record, with its level."""
    for level, message in ROWS:
        parts = [re.escape(part) for part in re.split(r"\{[^}]*\}", message)]
        whole = re.fullmatch("(?s:.*?)".join(parts), record.getMessage())
        if whole and record.levelname == level:
            return True
    return False


def work(connect: Any, emulator: Emulator, **settings: Any) -> None:
    """Do much of what makes records, with secrets wherever there can be some."""
    face = connect(headers={"x-gateway": SECRET}, min_poll_spacing=0.05, **settings)

    def raising(event: object) -> None:
        raise ZeroDivisionError

    emulator.faults.add("credits", status=503, retry_after=0, headers={"set-cookie": SECRET})
    face("credits")
    emulator.faults.add("credits", status=401, body=f'{{"message": "no {SECRET}"}}')
    with pytest.raises(ExtractaError):
        face("credits")
    made = face("extractions.create", "Invoices", fields=[{"key": "total"}])
    batch = face("extractions.upload", made.extraction_id, ("a.pdf", b"%PDF"))
    name = (made.extraction_id, batch.batch_id)
    emulator.faults.add("getBatchResults", status=429, retry_after=0)
    emulator.faults.add(
        "getBatchResults", body='{"status": "resting", "files": [{"fileId": "f", "status": "new"}]}'
    )
    assert face("extractions.wait", *name, poll_interval=0.01).finished
    emulator.faults.add("getBatchResults", status=500, times=None)
    with pytest.raises(WaitTimeoutError):
        face("extractions.wait", *name, poll_interval=0.01, timeout=0.3)
    face.client = connect(on_request=raising, **settings).client
    face("credits")


@pytest.mark.extracta_emulator(api_key=SECRET)
def test_each_record_is_documented_and_has_no_secret(
    connect: Any, extracta_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "extracta_rs"):
        work(connect, extracta_emulator, webhook_secret=f"E_AI_K_{SECRET}")
    records = [record for record in caplog.records if record.name == "extracta_rs"]
    assert {record.levelname for record in records} == {"DEBUG", "INFO", "WARNING", "ERROR"}
    for record in records:
        assert documented(record), record.getMessage()
        assert SECRET not in f"{record.getMessage()} {vars(record)}"


@pytest.mark.parametrize(("level", "least"), [("INFO", 20), ("WARNING", 30), ("ERROR", 40)])
def test_what_is_below_the_level_is_not_emitted(
    level: str,
    least: int,
    connect: Any,
    extracta_emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with caplog.at_level(level, "extracta_rs"):
        work(connect, extracta_emulator)
    levels = {record.levelno for record in caplog.records if record.name == "extracta_rs"}
    assert min(levels) == least


def test_nothing_is_printed_where_nobody_asked(extracta_emulator: Emulator) -> None:
    program = """
import sys
from extracta_rs import Client
with Client("test-key", base_url=sys.argv[1]) as client:
    client.credits()
"""
    extracta_emulator.faults.add("credits", status=503, retry_after=0)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, extracta_emulator.base_url],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("", "")


def test_the_pages_name_what_there_is() -> None:
    counters = PAGE.partition("## The log")[0]
    rows = re.findall(r"^\| (`.*?`) \| .*\|$", counters, re.M)
    stats = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    with Client("key-of-test", base_url="http://localhost") as client:
        assert stats == set(client.stats().__slots__)
    from extracta_rs import Timeout

    phases = re.findall(r"^\| `(\w+)` \|", CONFIGURATION.partition("## Options")[0], re.M)
    assert phases == list(Timeout.__slots__)
