"""How commands are stopped, and gone on with: Ctrl-C, a kill, a closed output. The emulator's log
of requests is the judge: each document is uploaded once."""

from __future__ import annotations

import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_tools import QUICK, Shell, interrupt, said
from run_tools import hold

from extracta_rs import Journal

Make = Callable[..., Shell]
SMALL = (*QUICK, "--batch-size", "2", "--concurrency", "1")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def states(sh: Shell, path: Path | None = None) -> dict[str, int]:
    """Return the states of the documents in the journal, but the empty ones."""
    found = path or next((sh.place / "state" / "extracta-rs").glob("*.journal"))
    with Journal(found, create=False) as journal:
        return {str(state): count for state, count in journal.status().items() if count}


def names(count: int) -> Counter[str | None]:
    return Counter(f"{number}.pdf" for number in range(count))


def resumed(sh: Shell, line: str) -> str:
    """Return the command that an interrupted one printed."""
    command = line.partition("go on with: ")[2]
    assert command.startswith("extracta-rs extract --extraction -")
    return command


@pytest.mark.parametrize("words", [("in",), ("in/0.pdf", "in/*.pdf"), ("-",)])
def test_ctrl_c_lets_an_upload_end_and_prints_how_to_go_on(
    shell: Make, words: tuple[str, ...]
) -> None:
    sh = shell()
    folder = sh.folder(5)
    sh.emulator.faults.add("uploadFiles", delay=1.0)
    listed = folder.parent / "list"
    listed.write_text("".join(f"{path}\n" for path in sorted(folder.iterdir())))
    with listed.open() as stdin:
        process = subprocess.Popen(
            ["extracta-rs", "extract", *words, "--template", "invoice", *SMALL],
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=sh.place, env=sh.environment(),
        )  # fmt: skip
        hold(lambda: sh.calls("uploadFiles") == 1)
        interrupt(process)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    lines = err.splitlines()
    assert lines[1] == "Ctrl-C: uploads under way end first; once more cuts them off"
    assert lines[2].startswith("extracta-rs: interrupted; nothing is lost or paid twice; go on")
    assert not CONTROL.search(out + err)
    assert states(sh)["uploaded"] == 2
    assert sh.uploads() == names(2)
    done = sh.sh(resumed(sh, lines[2]))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  processed") == 5
    assert sh.uploads() == names(5)
    assert sh.calls("createExtraction") == 1
    # What was typed first will do as well.
    again = sh.sh("extracta-rs extract in --template invoice")
    assert again.returncode == 0, again.stderr
    assert sh.uploads() == names(5)


def test_a_second_ctrl_c_cuts_the_upload_off_and_the_next_run_finds_it(shell: Make) -> None:
    sh = shell()
    sh.folder(2)
    sh.emulator.faults.add("uploadFiles", delay=30.0)
    process = sh.start("extract", "in", "--template", "invoice", "--journal", "j", *QUICK)
    hold(lambda: sum(sh.uploads().values()) == 2)
    interrupt(process)
    assert process.stderr
    assert process.stderr.readline().startswith("2 documents, ")
    assert process.stderr.readline().startswith("Ctrl-C: ")
    interrupt(process)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert states(sh, sh.place / "j") == {"uploading": 2}
    done = sh.sh(resumed(sh, err))
    assert done.returncode == 0, done.stderr
    assert sh.uploads() == names(2)


def test_names_that_cannot_be_shown_are_gone_on_with_all_the_same(shell: Make) -> None:
    sh = shell()
    odd = [sh.place / "\x1b[2J.pdf", sh.place / "line\nbreak.pdf"]
    for path in odd:
        path.write_bytes(b"%PDF odd")
    sh.emulator.faults.add("uploadFiles", delay=0.5)
    process = sh.start("extract", *odd, "--template", "invoice", *QUICK, "--batch-size", "1",
                       "--concurrency", "1")  # fmt: skip
    hold(lambda: sh.calls("uploadFiles") == 1)
    interrupt(process)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert not CONTROL.search(err)
    done = sh.sh(resumed(sh, err))
    assert done.returncode == 0, done.stderr
    assert sh.uploads() == Counter(path.name for path in odd)


def test_killed_and_run_again(shell: Make) -> None:
    sh = shell(processing_time=60)
    sh.folder(3)
    process = sh.start("extract", "in", "--template", "invoice", *SMALL)
    hold(lambda: sh.uploads() == names(3))
    hold(lambda: states(sh).get("uploaded") == 3)
    process.kill()
    process.communicate()
    again = sh("extract", "in", "--template", "invoice", "--timeout", "0.5", *QUICK)
    assert again.returncode == 4
    assert (sh.uploads(), sh.calls("createExtraction")) == (names(3), 1)


def test_ctrl_c_at_a_wait_leaves_no_table(shell: Make) -> None:
    sh = shell(processing_time=60)
    sh.folder(1)
    args = ("extract", "in", "--template", "invoice", "--out", "out it.csv", *QUICK)
    process = sh.start(*args)
    hold(lambda: sh.calls("getBatchResults") > 0)
    interrupt(process)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "--out 'out it.csv' " in err
    assert not list(sh.place.glob("*out it.csv*"))


def test_ctrl_c_before_anything_is_uploaded(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    sh.emulator.faults.add("createExtraction", delay=30.0)
    process = sh.start("extract", "in", "--template", "invoice", *QUICK)
    hold(lambda: sh.calls("createExtraction") == 1)
    interrupt(process)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    command = err.partition("go on with: ")[2]
    assert " --template invoice " in command
    sh.emulator.faults.clear()
    done = sh.sh(command)
    assert done.returncode == 0, done.stderr
    assert sh.uploads() == names(1)


def test_ctrl_c_on_a_terminal(shell: Make) -> None:
    sh = shell(processing_time=60)
    sh.folder(2)
    pressed = []

    def press(shown: bytes) -> int | None:
        if b"0 of 1 batches" in shown and not pressed:
            pressed.append(True)
            return signal.SIGINT
        return None

    code, shown = sh.on_a_terminal("extract", "in", "--template", "invoice", *QUICK, act=press)
    assert code == 130
    for part in ("Uploaded", "12 bytes of 12 bytes", "0 of 2 documents", "Ctrl-C: uploads under"):
        assert part in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is back"
    # The last line is whole: a terminal breaks it, the command does not.
    assert "go on with: extracta-rs extract --extraction -" in shown.split("\x1b[?25h")[-1]


def test_bars_are_on_the_terminal_alone(shell: Make, tmp_path: Path) -> None:
    sh = shell(processing_time=0.5)
    sh.folder(2)
    with (tmp_path / "out").open("wb") as out:
        code, shown = sh.on_a_terminal(
            "extract", "in", "--template", "invoice", *QUICK, stdout=out.fileno()
        )
    printed = (tmp_path / "out").read_text()
    assert (code, printed.count("  processed")) == (0, 2)
    assert not CONTROL.search(printed)
    assert "Uploaded" in shown
    assert "invoice_number" not in shown
    code, shown = sh.on_a_terminal("extract", "in", "--template", "invoice", *QUICK)
    assert (code, shown.count("  processed")) == (0, 2)
    code, shown = sh.on_a_terminal("extract", "in", "--template", "invoice", *QUICK, TERM="dumb")
    assert (code, "\x1b" in shown) == (0, False)


def test_ctrl_c_at_wait(shell: Make) -> None:
    sh = shell(processing_time=60)
    ids = sh.batch()
    process = sh.start("wait", *ids, *QUICK)
    hold(lambda: sh.calls("getBatchResults") > 0)
    interrupt(process)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    command = f"extracta-rs wait {ids[0]} {ids[1]} --poll-interval 0.02"
    assert err == (
        f"extracta-rs: interrupted; the batch goes on at the service; wait again with: {command}\n"
    )
    code, shown = sh.on_a_terminal("wait", *ids, "--timeout", "1", *QUICK)
    assert (code, "Waiting" in shown) == (4, True)


def closed(sh: Shell, *args: object) -> tuple[int, str]:
    """Run a command whose output nobody reads; return its exit code and what it complained."""
    process = sh.start(*args)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    err = process.stderr.read()
    return process.wait(timeout=20), err


def test_a_closed_output(shell: Make) -> None:
    sh = shell()
    sh.folder(4)
    assert closed(sh, "templates", "list") == (141, "")
    ids = sh.batch()
    assert closed(sh, "results", *ids) == (141, "")
    for out in ((), ("--out", "-")):
        code, err = closed(sh, "extract", "in", "--template", "invoice", *SMALL, *out)
        assert code == 141
        assert err.splitlines()[-1].startswith("extracta-rs: the output was closed; nothing is")
    done = sh.sh(resumed(sh, err.replace(" --out -", "")))
    assert done.returncode == 0, done.stderr
    assert sh.uploads() - Counter(["a.pdf"]) == names(4)
    head = sh.sh("extracta-rs extract in --template invoice | head -n 1")
    assert head.stdout == "in/0.pdf  processed\n"


def test_two_at_once_pay_once(shell: Make) -> None:
    sh = shell(processing_time=0.3)
    sh.folder(4)
    both = [sh.start("extract", "in", "--template", "invoice", "--json", *SMALL) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert sh.uploads() == names(4)


def test_errors_of_the_service_say_what_to_do(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    for changes, message in (
        ({"EXTRACTA_API_KEY": "bad"}, "is EXTRACTA_API_KEY the vendor's key"),
        ({"EXTRACTA_BASE_URL": "http://127.0.0.1:1/api/v1"}, "is the network there, and EXTRACTA"),
    ):
        done = sh("extract", "in", "--template", "invoice", *QUICK, **changes)
        assert (done.returncode, done.stdout) == (1, "")
        assert message in said(done)
        assert "bad" not in done.stderr.replace("bad.pdf", "")
    assert not sh.uploads()


def test_why_it_takes_so_long_is_told(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    extraction_id = sh.extraction()
    nowhere = {"EXTRACTA_BASE_URL": "http://127.0.0.1:1/api/v1"}
    pressed = []

    def press(shown: bytes) -> int | None:
        if b"viewExtraction: cannot connect to " in shown and not pressed:
            pressed.append(True)
            return signal.SIGINT
        return None

    code, _ = sh.on_a_terminal("extract", extraction_id, "in", act=press, **nowhere)
    assert (code, bool(pressed)) == (130, True)
    process = sh.start("extract", extraction_id, "in", "--debug", **nowhere)
    assert process.stderr
    while "nothing is uploaded before" not in (line := process.stderr.readline()):
        assert line
    interrupt(process)
    process.communicate(timeout=20)
    assert process.returncode == 130


def test_a_table_that_cannot_be_written_costs_nothing(shell: Make) -> None:
    sh = shell()
    sh.folder(1)
    (sh.place / "out.csv").mkdir()
    done = sh("extract", "in", "--template", "invoice", "--out", "out.csv", *QUICK)
    assert done.returncode == 1
    assert "Is a directory" in said(done)
    assert not sh.uploads()
