"""`wait`, `results`, `credits`, `verify`, `sign` and `emulator`, as a user runs them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from typing import Any

import pytest
from cli_tools import QUICK, Shell, interrupt, said
from run_tools import hold

from extracta_rs import Client, sign, verify_signature
from extracta_rs._cli._command import ids_last

Make = Callable[..., Shell]
BODY = '{"event":"extraction.processed","result":[{"fileName":"Müller.pdf"}]}'
SECRET = "E_AI_K_säcret-0123456789"


@pytest.mark.parametrize("verb", ["wait", "results"])
def test_a_batch(shell: Make, verb: str) -> None:
    sh = shell(fail_files=["bad.pdf"])
    ids = sh.batch("a.pdf", "bad.pdf")
    quick = QUICK if verb == "wait" else ()
    assert all(one.startswith("-") for one in ids)
    done = sh(verb, *ids, *quick)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        "a.pdf  processed", "  total  12.50", "bad.pdf  failed: The file could not be processed",
    ]  # fmt: skip
    assert said(done) == "extracta-rs: 1 of 2 files failed"
    told = json.loads(sh(verb, "--json", *ids, *quick).stdout)
    assert (told["extraction_id"], told["batch_id"]) == ids
    assert told["finished"] is True
    assert [file["result"] for file in told["files"]] == [{"total": "12.50"}, {}]
    written = sh(verb, *quick, *ids, "--out", "out.csv")
    assert (written.returncode, written.stdout) == (3, "2 rows written to out.csv\n")
    with (sh.place / "out.csv").open(newline="") as file:
        assert [row["total"] for row in csv.DictReader(file)] == ["12.50", ""]


def test_a_token_is_as_good_as_ids(shell: Make) -> None:
    sh = shell()
    with sh.client() as client:
        token = client.extractions.upload(sh.extraction(), ("b.pdf", b"b")).token()
    for verb, quick in (("wait", QUICK), ("results", ())):
        done = sh(verb, token, *quick, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["files"][0]["file_name"] == "b.pdf"
    wrong = sh("results", "{}")
    assert wrong.returncode == 2
    assert said(wrong)


def test_a_classification(shell: Make) -> None:
    sh = shell()
    with sh.client() as client:
        kinds = [{"name": "bill", "uniqueWords": ["total"]}]
        made = client.classifications.create("Kinds", document_types=kinds).classification_id
        batch = client.classifications.upload(made, ("a.pdf", b"total")).batch_id
    done = sh("wait", "--classification", made, batch, "--json", *QUICK)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["classification_id"] == made
    assert told["files"][0]["result"]["documentType"] == "bill"
    assert sh("results", made, batch, "--classification").stdout.startswith("a.pdf  processed")


def test_one_file_of_a_batch(shell: Make) -> None:
    sh = shell()
    extraction_id, batch_id = sh.batch("a.pdf", "b.pdf")
    with sh.client() as client:
        files = client.extractions.results(extraction_id, batch_id).files
    done = sh("results", extraction_id, batch_id, "--file", files[1].file_id, "--json")
    assert [file["file_name"] for file in json.loads(done.stdout)["files"]] == ["b.pdf"]


def test_a_batch_that_is_not_finished(shell: Make) -> None:
    sh = shell(processing_time=60)
    ids = sh.batch()
    done = sh("results", *ids)
    assert done.returncode == 4
    assert said(done).endswith(f"wait with: extracta-rs wait {ids[0]} {ids[1]}")
    late = sh("wait", *ids, "--timeout", "0.3", *QUICK)
    assert (late.returncode, late.stdout) == (4, "")
    assert f"wait again with: extracta-rs wait {ids[0]} {ids[1]} --timeout 0.3" in said(late)


def test_a_batch_that_is_not_there(shell: Make) -> None:
    sh = shell()
    done = sh("wait", "-NxYz", "-OaBc", *QUICK)
    assert done.returncode == 1
    assert "404" in said(done)
    assert "check the id" in said(done)
    for ids in ((), ("-NxYz",), ("-NxYz", "-OaBc", "-Oc")):
        assert sh("results", *ids).returncode == 2
    assert "No such option '--nonsense'" in said(sh("results", "-NxYz", "--nonsense"))
    assert "-x" in said(sh("results", "-NxYz", "-OaBc", "-x"))


def test_ids_are_no_options() -> None:
    takes = {"--json": False, "--out": True, "-h": False, "--help": False}
    assert ids_last(takes, ["-Nhj", "--out", "-", "-Obh", "--json"]) == [
        "--out", "-", "--json", "--", "-Nhj", "-Obh",
    ]  # fmt: skip
    assert ids_last(takes, ["--out=-x", "--", "-h", "--json"]) == ["--out=-x", "--", "-h", "--json"]
    assert ids_last(takes, ["-Nhj", "-", "x"]) == ["--", "-Nhj", "-", "x"]
    assert ids_last(takes, ["-h"]) == ["-h", "--"]
    assert ids_last(takes, ["--out"]) == ["--out", "--"]


def test_credits(shell: Make) -> None:
    sh = shell()
    assert sh("credits").stdout == "100000\n"
    assert json.loads(sh("credits", "--json").stdout) == {"credits": 100000}


def test_sign_and_verify(shell: Make) -> None:
    sh = shell()
    (sh.place / "body.json").write_text(BODY, encoding="utf-8")
    secret: Any = {"EXTRACTA_WEBHOOK_SECRET": SECRET}
    made = sh("sign", "--body", "body.json", **secret)
    assert (made.returncode, made.stdout) == (0, sign(BODY, SECRET) + "\n")
    told = json.loads(sh("sign", "--body", "-", "--json", stdin=BODY, **secret).stdout)
    assert told == {"header": "x-webhook-signature", "value": sign(BODY, SECRET)}
    value = made.stdout.strip()
    for header in (value, f"X-Webhook-Signature: {value}"):
        done = sh("verify", "--body", "body.json", "--header", header, **secret)
        assert (done.returncode, done.stdout) == (0, "valid\n")
    forged = sh("verify", "--body", "-", "--header", value, "--json", stdin="{}", **secret)
    assert (forged.returncode, json.loads(forged.stdout)) == (1, {"valid": False})
    assert "explain" in sh("verify", "--body", "-", "--header", value, **secret).stdout
    no_secret: Any = {"EXTRACTA_WEBHOOK_SECRET": ""}
    for args in (("sign", "--body", "body.json"),
                 ("verify", "--body", "body.json", "--header", value)):  # fmt: skip
        done = sh(*args, **no_secret)
        assert (done.returncode, done.stdout) == (2, "")
        assert "set EXTRACTA_WEBHOOK_SECRET" in said(done)
    odd = sh("sign", "--body", "-", stdin="no json", **secret)
    assert odd.returncode == 2
    assert said(odd)
    assert "0123456789" not in odd.stderr


def test_the_emulator(shell: Make) -> None:
    sh = shell()
    process = sh.start("emulator", "--json", "--processing-time", "0", "--fail", "bad.pdf")
    assert process.stdout
    started = json.loads(process.stdout.readline())
    assert started["type"] == "started"
    key, url = started["api_key"], started["base_url"]
    env: Any = {"EXTRACTA_API_KEY": key, "EXTRACTA_BASE_URL": url}
    (sh.place / "bad.pdf").write_bytes(b"bad")
    done = sh("extract", "bad.pdf", "--template", "invoice", *QUICK, **env)
    assert done.returncode == 3
    told = [json.loads(process.stdout.readline()) for _ in range(4)]
    paths = [line["path"] for line in told]
    assert paths == ["/createExtraction", "/viewExtraction", "/uploadFiles", "/getBatchResults"]
    assert told[2]["files"] == ["bad.pdf"]
    assert told[2]["status"] == 200
    taken = sh("emulator", "--port", url.split(":")[2].split("/")[0])
    assert taken.returncode == 2
    assert "cannot be started: " in said(taken)
    interrupt(process)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


def test_what_the_emulator_prints_is_for_a_shell(shell: Make) -> None:
    sh = shell()
    process = sh.start("emulator", "--seed", "7", EXTRACTA_API_KEY="the real one")
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(3)]
    done = sh.sh("".join(lines) + "extracta-rs credits")
    assert (done.returncode, done.stdout) == (0, "100000\n"), done.stderr
    line = process.stdout.readline()
    assert line.split()[1:] == ["200", "GET", "/credits"]
    assert "the real one" not in "".join(lines) + line
    interrupt(process)
    hold(lambda: process.poll() is not None)
    assert process.returncode == 0


def test_the_emulator_delivers_what_listen_takes(shell: Make, app: Any) -> None:
    sh = shell()
    app.secret = "E_AI_K_test"
    process = sh.start("emulator", "--json", "--processing-time", "0", "--webhook-url", app.url)
    assert process.stdout
    started = json.loads(process.stdout.readline())
    with Client(started["api_key"], base_url=started["base_url"]) as client:
        fields = [{"key": "total", "description": "the total"}]
        made = client.extractions.create("Invoices", fields=fields).extraction_id
        client.extractions.upload(made, ("a.pdf", b"a"))
    hold(lambda: bool(app.came))
    body, headers = app.came[0]
    assert verify_signature(body, headers["X-Webhook-Signature"], "E_AI_K_test")
