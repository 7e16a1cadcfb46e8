"""`extracta-rs journal`: status, results, export and retry."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import Client, Journal, RunIncompleteError
from extracta_rs._cli._journal import split
from extracta_rs.testing import Emulator

COMMAND = Path(sysconfig.get_path("scripts")) / "extracta-rs"
FAST: dict[str, Any] = {"poll_interval": 0.01, "max_poll_interval": 0.05, "settle_time": 0.2}


def command(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "journal", *map(str, args)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two finished files, one failed, and one that may have been uploaded."""
    path = tmp_path / "run.journal"
    documents = [("a.pdf", b"%PDF a"), ("bad.pdf", b"%PDF b"), ("ü.pdf", b"%PDF c")]
    with Emulator(fail_files=["bad.pdf"]) as emulator, Client(
        emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0
    ) as client:  # fmt: skip
        fields = [{"key": "total", "description": "the total"}]
        extraction_id = client.extractions.create("Invoices", fields=fields).extraction_id
        list(client.extractions.run_many(extraction_id, documents, journal=path, **FAST))
        lost = [("lost.pdf", b"%PDF d")]
        emulator.faults.add("uploadFiles", cut="after")
        hidden = json.dumps({"extractionId": extraction_id, "extractionDetails": {}})
        emulator.faults.add("viewExtraction", status=200, body=hidden, times=None)
        with pytest.raises(RunIncompleteError):
            list(client.extractions.run_many(extraction_id, lost, journal=path, **FAST))
    return path


def test_status_counts_and_says_what_to_do(journal: Path) -> None:
    done = command("status", journal)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "1 unknown, 3 finished"
    assert "unknown: lost.pdf" in done.stdout
    assert "retry --unknown" in done.stdout
    told = json.loads(command("status", journal, "--json").stdout)
    assert told["total"]["finished"] == 3
    assert [document["name"] for document in told["troubled"]] == ["lost.pdf"]


def test_results_are_one_line_a_file(journal: Path) -> None:
    lines = command("results", journal).stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["a.pdf", "processed"], ["bad.pdf", "failed"], ["ü.pdf", "processed"],
    ]  # fmt: skip
    told = [json.loads(line) for line in command("results", journal, "--json").stdout.splitlines()]
    assert [line["status"] for line in told] == ["processed", "failed", "processed"]


def test_export_keeps_the_vendors_bytes(journal: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = command("export", journal, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.read_text() == command("export", journal).stdout
    with Journal(journal) as opened:
        ((row, *_),) = opened._raw.finished(0, 10)
        raw = opened._raw.raw_results(row)
    assert raw
    lines = out.read_bytes().splitlines()
    assert len(lines) == 3
    for line, own in zip(lines, split(raw), strict=True):
        assert line.endswith(b', "file": ' + own + b"}")
        assert own in raw
        told = json.loads(line)
        assert len(told["sha256"]) == 64
        assert told["file"]["fileName"] == told["name"]
    failed = command("export", journal, "--out", tmp_path / "none" / "out")
    assert failed.returncode == 1
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_split_keeps_spellings() -> None:
    raw = b' {"a" : [1, {"files": 2}], "files" : [ {"n": 1.50, "u":"\\u00fc"} ,{"n":1e400}] } '
    assert split(raw) == [b'{"n": 1.50, "u":"\\u00fc"}', b'{"n":1e400}']
    assert split(b'{"files":[]}') == []


def test_retry_wants_a_yes(journal: Path) -> None:
    assert command("retry", journal).returncode == 2
    refused = command("retry", journal, "--unknown")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    done = command("retry", journal, "--unknown", "--failed", "--yes")
    assert (done.returncode, done.stdout) == (0, "2 documents freed\n")
    with Journal(journal) as opened:
        assert opened.status() | {} == {
            "planned": 2, "refused": 0, "uploading": 0, "unknown": 0, "uploaded": 0, "finished": 2,
        }  # fmt: skip


@pytest.mark.parametrize("name", ["status", "results", "export", "retry"])
def test_a_missing_journal_is_not_made(name: str, tmp_path: Path) -> None:
    more = ["--failed", "--yes"] if name == "retry" else []
    done = command(name, tmp_path / "none", *more)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no such file" in done.stderr
    assert list(tmp_path.iterdir()) == []
