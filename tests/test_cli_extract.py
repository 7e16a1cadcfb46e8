"""`extracta-rs extract`: which documents, which extraction, where results go, what is paid."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from cli_tools import FIELDS, QUICK, Shell, said

from extracta_rs import Journal

Make = Callable[..., Shell]


def test_a_folder_is_paid_once_wherever_and_however_often(shell: Make) -> None:
    sh = shell()
    sh.folder(3)
    (sh.place / "in" / ".hidden.pdf").write_bytes(b"hidden")
    (sh.place / "in" / "Thumbs.db").write_bytes(b"left over")
    (sh.place / "in" / "deeper").mkdir()
    (sh.place / "in" / "deeper" / "3.pdf").write_bytes(b"%PDF deeper")
    first = sh("extract", "in", "--template", "invoice", *QUICK)
    assert first.returncode == 0, first.stderr
    titles = [line for line in first.stdout.splitlines() if not line.startswith(" ")]
    assert titles == [f"in/{n}.pdf  processed" for n in (0, 1, 2)] + ["in/deeper/3.pdf  processed"]
    assert "  supplier.name     Blue Heron Paper Co." in first.stdout.splitlines()
    (journal,) = (sh.place / "state" / "extracta-rs").glob("*.journal")
    assert f"journal {journal}" in first.stderr.splitlines()[0]
    assert first.stderr.splitlines()[1] == "4 processed, 0 failed"
    other = sh.place / "elsewhere"
    other.mkdir()
    for words in (
        ("in",),
        (str(sh.place / "in"),),
        ("in/*.pdf", "in/**/*.pdf"),
        ("in/0.pdf", "in"),
    ):
        again = sh("extract", *words, "--template", "invoice", *QUICK)
        assert again.returncode == 0, again.stderr
        assert again.stdout.count("processed") == 4
        assert "4 from the journal" in again.stderr
    assert sh.uploads() == Counter(["0.pdf", "1.pdf", "2.pdf", "3.pdf"])
    assert sh.calls("createExtraction") == 1


def test_only_what_is_named_is_handed_over(shell: Make) -> None:
    sh = shell()
    sh.folder(3)
    extraction_id = sh.extraction()
    everything = sh("extract", "in", "--extraction", extraction_id, *QUICK)
    assert everything.returncode == 0, everything.stderr
    # The same document at another place; the batch has two more, which nobody asked for.
    (sh.place / "moved").mkdir()
    (sh.place / "in" / "1.pdf").rename(sh.place / "moved" / "1.pdf")
    one = sh("extract", "moved/1.pdf", "--extraction", extraction_id, "--json", *QUICK)
    assert (one.returncode, one.stderr) == (0, "")
    told = json.loads(one.stdout)
    assert [file["path"] for file in told["files"]] == [str(sh.place / "moved" / "1.pdf")]
    assert told["files"][0]["result"] == {"total": "12.50"}
    assert (told["documents"], told["processed"], told["from_journal"]) == (1, 1, 1)
    assert told["extraction_id"] == extraction_id
    assert max(sh.uploads().values()) == 1


def test_copies_are_paid_once_and_told(shell: Make) -> None:
    sh = shell()
    sh.folder(2)
    sh.folder(1, "copies")
    done = sh("extract", "in", "copies", "--template", "invoice", *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "2 processed, 0 failed, 1 the same as others"
    assert sh.uploads() == Counter(["0.pdf", "1.pdf"])


def test_a_changed_document_is_another_one(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    for content in (b"%PDF 0", b"%PDF 1"):
        (sh.place / "in" / "0.pdf").write_bytes(content)
        done = sh("extract", "in", "--template", "invoice", *QUICK)
        assert (done.returncode, done.stdout.count("processed")) == (0, 1), done.stderr
    assert sh.uploads() == Counter({"0.pdf": 2})


def test_an_id_may_stand_before_the_files(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    extraction_id = sh.extraction()
    for words in (
        (extraction_id, "in"),
        ("--json", extraction_id, "-", "in"),
        ("in", "--extraction", extraction_id),
        ("in", f"--extraction={extraction_id}"),
    ):
        done = sh("extract", *words, *QUICK)
        assert done.returncode == 0, done.stderr
    alone = sh("extract", extraction_id)
    assert (alone.returncode, "there are no documents" in said(alone)) == (2, True)
    assert sh.uploads() == Counter(["0.pdf"])


@pytest.mark.parametrize("separator", ["\n", "\0", "\r\n"])
def test_a_list_on_stdin(shell: Make, separator: str) -> None:
    sh = shell()
    sh.folder(2)
    (sh.place / "with blank.pdf").write_bytes(b"%PDF blank")
    stdin = separator.join(["in/0.pdf", "with blank.pdf", "in/1.pdf"]) + separator
    done = sh("extract", "-", "--extraction", sh.extraction(), *QUICK, stdin=stdin)
    assert done.returncode == 0, done.stderr
    assert sh.uploads() == Counter(["0.pdf", "with blank.pdf", "1.pdf"])


def test_fields_of_a_file_and_of_a_model(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    (sh.place / "fields.json").write_text(json.dumps(FIELDS))
    (sh.place / "shop.py").write_text(
        "from dataclasses import dataclass\n@dataclass\nclass Bill:\n    amount: str\n"
    )
    for way in (("--fields", "fields.json", "--language", "German"), ("--model", "shop:Bill")):
        for _ in range(2):
            done = sh("extract", "in", *way, "--json", *QUICK)
            assert done.returncode == 0, done.stderr
        with sh.client() as client:
            made = client.extractions.view(json.loads(done.stdout)["extraction_id"])
        assert made.fields
        key, name, language = made.fields[0]["key"], made.name, made.language
        assert (key, name, language) in {
            ("total", "fields", "German"), ("amount", "Bill", "English"),
        }  # fmt: skip
    (sh.place / "fields.json").rename(sh.place / "renamed.json")
    done = sh("extract", "in", "--fields", "renamed.json", "--language", "German", *QUICK)
    assert done.returncode == 0, done.stderr
    assert sh.calls("createExtraction") == 2
    assert sh.uploads() == Counter({"0.pdf": 2})  # Two extractions: two results.
    template = json.loads(sh("templates", "show", "receipt", "--json").stdout)
    (sh.place / "own.json").write_text(json.dumps(template | {"name": "Mine"}))
    own = sh("extract", "in", "--fields", "own.json", "--json", *QUICK)
    assert own.returncode == 0, own.stderr


def test_tables(shell: Make) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow.parquet

    sh = shell()
    sh.folder(2)
    for suffix in ("csv", "jsonl", "parquet"):
        # The tables are in the folder that is extracted, and are none of the documents.
        done = sh("extract", "in", "--template", "receipt", "--out", f"in/out.{suffix}", *QUICK)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert f"2 rows written to in/out.{suffix}" in done.stderr
    named = sh("extract", "in/*.csv", "--template", "receipt", *QUICK)
    assert named.stdout.splitlines()[0] == "in/out.csv  processed"
    table = pyarrow.parquet.read_table(sh.place / "in" / "out.parquet")
    assert table.column("file_name").to_pylist() == ["0.pdf", "1.pdf"]


def test_a_table_of_lines_and_json_lines_on_stdout(shell: Make) -> None:
    sh = shell()
    sh.folder(2)
    done = sh("extract", "in", "--template", "invoice", "--out", "out.csv", *QUICK,
              "--explode", "line_items")  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (sh.place / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 2
    assert {row["file_name"] for row in rows} == {"0.pdf", "1.pdf"}
    assert all(row["line_items.description"] for row in rows)
    lines = sh("extract", "in", "--template", "invoice", "--out", "-", *QUICK)
    assert lines.returncode == 0, lines.stderr
    names = [json.loads(line)["file_name"] for line in lines.stdout.splitlines()]
    assert names == ["0.pdf", "1.pdf"]
    assert sh.uploads() == Counter(["0.pdf", "1.pdf"])


def test_documents_that_failed(shell: Make) -> None:
    sh = shell(fail_files=["1.pdf"])
    sh.folder(2)
    done = sh("extract", "in", "--template", "invoice", "--out", "out.jsonl", *QUICK)
    assert done.returncode == 3
    assert said(done).startswith("extracta-rs: 1 of 2 documents failed: in/1.pdf: ")
    rows = [json.loads(line) for line in (sh.place / "out.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["processed", "failed"]


def test_a_document_that_was_refused_costs_the_others_nothing(shell: Make) -> None:
    sh = shell()
    sh.folder(2)
    for _ in range(2):  # Both together, then the first alone.
        sh.emulator.faults.add("uploadFiles", status=400)
    done = sh("extract", "in", "--template", "invoice", "--json", *QUICK)
    assert done.returncode == 3
    assert "journal status" in said(done)
    told = json.loads(done.stdout)
    assert (told["processed"], len(told["unfinished"])) == (1, 1)
    (refused,) = told["unfinished"]
    assert refused["name"] in ("0.pdf", "1.pdf")
    again = sh("extract", "in", "--template", "invoice", "--json", *QUICK)
    assert again.returncode == 0, again.stderr
    assert sh.uploads() == Counter(["0.pdf", "1.pdf"])


def test_a_time_limit(shell: Make) -> None:
    sh = shell(processing_time=60)
    sh.folder(1)
    done = sh("extract", "in", "--template", "invoice", "--timeout", "1", *QUICK)
    assert done.returncode == 4
    line = said(done)
    command = line.partition("go on with: ")[2]
    assert command.startswith("extracta-rs extract --extraction -")
    again = sh.sh(command)
    assert again.returncode == 4, again.stderr
    assert sh.uploads() == Counter(["0.pdf"])
    with Journal(next((sh.place / "state" / "extracta-rs").glob("*.journal"))) as journal:
        assert journal.status()["uploaded"] == 1


def test_an_extraction_that_is_gone_is_told(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    first = sh("extract", "in", "--template", "invoice", "--json", "--journal", "j", *QUICK)
    with sh.client() as client:
        client.extractions.delete(json.loads(first.stdout)["extraction_id"])
    (sh.place / "in" / "new.pdf").write_bytes(b"%PDF new")
    gone = sh("extract", "in", "--template", "invoice", "--journal", "j", *QUICK)
    assert gone.returncode == 1
    assert "is gone, or of another account; begin with another --journal" in said(gone)
    assert sh.uploads() == Counter(["0.pdf"])


def test_the_journal_in_the_folder_is_no_document(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    for _ in range(2):
        done = sh("extract", "in", "--template", "invoice", "--journal", "in/0", *QUICK)
        assert done.returncode == 0, done.stderr
    # `0.pdf` begins like the journal's name, and is a document all the same.
    assert sh.uploads() == Counter(["0.pdf"])
    assert not (sh.place / "state").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["in"], "name one of --extraction, --template, --fields, --model, for the fields"),
        (["in", "--extraction", "-Nx", "--template", "invoice"], "not --extraction and --template"),
        (["in", "--template", "invoce"], "no template is named 'invoce'; there are: "),
        (["in", "--extraction", "-Nx", "--language", "German"], "--language is that of a new"),
        (["in", "--fields", "none.json"], "--fields none.json: No such file"),
        (["in", "--fields", "in/0.pdf"], "it is no JSON"),
        (["in", "--fields", "empty.json"], "a list of objects with a `key`"),
        (["in", "--model", "shop"], "name it as module:Class"),
        (["in", "--model", "nowhere:Bill"], "No module named 'nowhere'"),
        (["in", "--model", "json:Bill"], "no attribute 'Bill'"),
        (["in", "gone.pdf", "lost.pdf", "--template", "invoice"], "'gone.pdf' is not there, nor"),
        (["*.nothing", "--template", "invoice"], "'*.nothing' is not there: nothing was uploaded"),
        (["empty", "--template", "invoice"], "there are no documents"),
        (["-", "--template", "invoice"], "there are no documents"),
        (["in", "--template", "invoice", "--out", "x.xls"], "end with one of .csv, .jsonl, .parq"),
        (["in", "--template", "invoice", "--out", "no/x.csv"], "there is no folder no"),
        (["in", "--template", "invoice", "--out", "-", "--json"], "--out - and --json both print"),
        (["--template", "invoice"], "Missing argument '[EXTRACTION_ID] FILES...'"),
    ],
)
def test_mistakes_cost_nothing(shell: Make, words: list[str], message: str) -> None:
    sh = shell()
    sh.folder(1)
    (sh.place / "empty").mkdir()
    (sh.place / "empty.json").write_text("[{}]")
    done = sh("extract", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in said(done)
    assert sh.emulator.requests() == []


def test_names_cannot_move_the_terminal(shell: Make) -> None:
    sh = shell(fail_files=["\x1b[2Jevil\n.pdf"])
    (sh.place / "\x1b[2Jevil\n.pdf").write_bytes(b"%PDF")
    done = sh("extract", ".", "--template", "invoice", "--journal", "j", *QUICK, FORCE_COLOR="1")
    assert done.returncode == 3
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b[2Jevil\\n.pdf" in said(done)


def test_a_state_folder_that_cannot_be_made(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    (sh.place / "file").write_text("")
    home: Any = {"XDG_STATE_HOME": str(sh.place / "file" / "state")}
    done = sh("extract", "in", "--template", "invoice", **home)
    assert done.returncode == 2
    assert said(done).endswith("name a journal with --journal")
    assert sh.emulator.requests() == []


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_that_are_no_utf_8(shell: Make, locale: str) -> None:
    sh = shell()
    (sh.place / "in").mkdir()
    try:
        (sh.place / "in" / os.fsdecode(b"\xff\xe4.pdf")).write_bytes(b"%PDF odd")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    for words in ((), ("--json",), ("--out", "-")):
        done = sh("extract", "in", "--template", "invoice", *words, *QUICK, LC_ALL=locale)
        assert done.returncode == 0, done.stderr
        assert "in/" in done.stdout or "file_name" in done.stdout
    assert list(sh.uploads().values()) == [1]
