"""`extracta-rs demo` as a user runs it: the installed command, in a process of its own."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import sysconfig
import termios
import time
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import _cli, templates

ROOT = Path(__file__).parent.parent
COMMAND = Path(sysconfig.get_path("scripts")) / "extracta-rs"
SAMPLES = Path(_cli.__file__).parent / "samples"
DOCUMENTS: dict[str, dict[str, Any]] = json.loads((SAMPLES / "documents.json").read_text("utf-8"))


def environment(**changes: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    return {**kept, "PYTHONWARNINGS": "error", **changes}


def run(*args: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *args],
        capture_output=True,
        text=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=60,
        env=environment(**changes),
        check=False,
    )


def on_a_terminal(columns: int, *args: str) -> tuple[int, str]:
    """Run the command on a pseudo terminal; return the exit code and all that it wrote."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [COMMAND, *args],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(TERM="xterm-256color"),
    )
    os.close(slave)
    out = bytearray()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            if not chunk:
                break
            out += chunk
    os.close(master)
    return process.wait(timeout=10), out.decode()


def width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def test_demo_prints_what_each_document_says_and_what_happened() -> None:
    began = time.monotonic()
    done = run("demo")
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert took < 5
    assert "\x1b" not in done.stdout
    for name, said in DOCUMENTS.items():
        [line] = [line for line in done.stdout.splitlines() if line.startswith(name)]
        for value in (said["invoice_number"], said["supplier"]["name"], said["issue_date"]):
            assert value in line
        assert re.search(rf"\b{re.escape(said['total'])} +{said['currency']}\b", line)
    assert "1 x POST /uploadFiles" in done.stdout
    assert re.search(r"\d x POST /getBatchResults", done.stdout)
    assert "1 verified, 0 refused, same results as polling" in done.stdout
    assert "refused (401)" in done.stdout


def test_demo_json_is_one_object_with_everything() -> None:
    done = run("demo", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert {file["file_name"]: file["result"] for file in report["files"]} == DOCUMENTS
    assert {file["status"] for file in report["files"]} == {"processed"}
    calls = {(each["call"], each["status"]): each["count"] for each in report["requests"]}
    assert calls["POST /createExtraction", 200] == calls["POST /uploadFiles", 200] == 1
    assert calls["POST /getBatchResults", 200] == report["polling"]["requests"] >= 2
    assert len(calls) == 3
    assert report["bytes_uploaded"] > sum((SAMPLES / name).stat().st_size for name in DOCUMENTS)
    assert report["webhook"] == {
        "event": "extraction.processed", "verified": 1, "refused": 0, "same_results": True,
    }  # fmt: skip
    assert report["forged_webhook"] == {"status": 401}
    assert report["problems"] == []


def test_demo_works_where_the_environment_is_in_its_way() -> None:
    done = run(
        "demo",
        EXTRACTA_API_KEY="another",
        EXTRACTA_BASE_URL="https://example.invalid",
        HTTP_PROXY="http://127.0.0.1:9",
        http_proxy="http://127.0.0.1:9",
        ALL_PROXY="http://127.0.0.1:9",
        PYTHONIOENCODING="ascii",
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("columns", [40, 80, 130])
def test_demo_on_a_terminal_shows_progress_and_fits(columns: int) -> None:
    code, written = on_a_terminal(columns, "demo")
    assert code == 0, written
    assert "Uploading" in written
    assert "Waiting" in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h"), "the cursor stays hidden"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    lines = [line.rstrip() for part in plain.split("\n") for line in part.split("\r")]
    assert max(map(width, lines)) <= columns
    for said in DOCUMENTS.values():
        assert said["invoice_number"] in plain


def test_ctrl_c_ends_the_demo_with_130_and_no_traceback() -> None:
    process = subprocess.Popen(
        [COMMAND, "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith("Batch"):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors.strip() == ""


def test_demo_survives_a_closed_pipe() -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{COMMAND}' demo | head -n 1"],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert done.stdout.startswith("Emulator on http://127.0.0.1:")
    assert done.stderr == ""


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_one_line_tells_what_to_install(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from extracta_rs._cli import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert 'pip install "extracta_rs[cli]"' in line


def test_errors_are_one_line_and_debug_shows_the_traceback() -> None:
    program = (
        "import sys, extracta_rs._cli._demo as d\n"
        "def fail(watcher): raise OSError('the disk\\nis full')\n"
        "d.run_demo = fail\n"
        "from extracta_rs._cli import main; sys.exit(main())"
    )
    for args, lines in (([], 1), (["--debug"], None)):
        done = subprocess.run(
            [sys.executable, "-c", program, "demo", *args],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        errors = done.stderr.splitlines()
        assert errors[-1] == "extracta-rs: OSError: the disk is full"
        assert lines is None or len(errors) == lines
        assert ("Traceback" in done.stderr) == bool(args)


def test_wrong_usage_is_one_line_and_exit_code_2() -> None:
    for args in (["nonsense"], ["demo", "--nonsense"], ["demo", "extra"]):
        done = run(*args)
        assert done.returncode == 2
        assert done.stdout == ""
        [line] = done.stderr.splitlines()
        assert line.startswith("extracta-rs: ")
        assert "--help)" in line


def test_version_and_help() -> None:
    assert re.fullmatch(r"extracta-rs, version \d+\.\d+\.\d+\n", run("--version").stdout)
    for args in (["--help"], ["demo", "--help"], ["demo", "-h"]):
        done = run(*args)
        assert done.returncode == 0
        assert "130  interrupted with Ctrl-C" in done.stdout
    nothing = run()
    assert nothing.returncode == 2
    assert "demo" in nothing.stdout


def test_the_samples_say_what_the_results_say() -> None:
    for name, said in DOCUMENTS.items():
        content = (SAMPLES / name).read_bytes()
        if name.endswith(".pdf"):
            text = content.decode("cp1252", errors="replace")
        elif name.endswith(".docx"):
            with zipfile.ZipFile(SAMPLES / name) as archive:
                text = archive.read("word/document.xml").decode()
        else:
            continue  # a picture; `test_the_samples_are_what_the_script_makes` covers it
        for value in (said["invoice_number"], said["supplier"]["name"], said["currency"]):
            assert value in text
        for line in said["line_items"]:
            assert line["description"] in text


def test_the_invoice_template_has_the_fields_of_the_results() -> None:
    template = templates.load("invoice")
    keys = [field["key"] for field in template["fields"]]
    for said in DOCUMENTS.values():
        assert list(said) == keys
        for field in template["fields"]:
            inner = field.get("properties") or field.get("items", {}).get("properties")
            value = said[field["key"]]
            assert isinstance(value, {"array": list, "object": dict}.get(field["type"], str))
            if inner:
                row = value[0] if isinstance(value, list) else value
                assert list(row) == [each["key"] for each in inner]


def test_templates_are_fresh_copies_and_unknown_names_are_told() -> None:
    templates.load("invoice")["fields"].clear()
    assert templates.load("invoice")["fields"]
    assert "invoice" in templates.names()
    for name in ("passport", "../invoice", ""):
        with pytest.raises(ValueError, match="there are: bank_statement, "):
            templates.load(name)


def unpacked(path: Path) -> object:
    """Return the content without what may differ from one zlib to the next."""
    if path.suffix == ".docx":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    content = path.read_bytes()
    if path.suffix == ".png":
        data = content.index(b"IDAT")
        length = int.from_bytes(content[data - 4 : data], "big")
        return content[: data - 4], zlib.decompress(content[data + 4 : data + 4 + length])
    return content


def test_the_samples_are_what_the_script_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location(
        "make_samples", ROOT / "examples" / "make_samples.py"
    )
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "make_samples", script)
    spec.loader.exec_module(script)
    script.SAMPLES = tmp_path
    script.main()
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted([*DOCUMENTS, "documents.json"])
    for name in made:
        assert unpacked(tmp_path / name) == unpacked(SAMPLES / name), name
