"""The last step of docs/tutorial.md, as a reader does it: an app, and an emulator that calls it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "tutorial.md").read_text(encoding="utf-8")
APP, SEND = (
    program
    for program in re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
    if "flask" in program or "webhook_url" in program
)
PRINTS = re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S)[-1]
COMMAND = re.findall(r"^EXTRACTA_WEBHOOK_SECRET=(\S+) (flask .*)$", PAGE, re.M)


@contextmanager
def served(folder: Path, secret: str) -> Iterator[tuple[str, list[str]]]:
    """Serve the app with the page's command, on a port of its own; tell what it prints, at last."""
    (folder / "app.py").write_text(APP, encoding="utf-8")
    [(_, command)] = COMMAND
    said: list[str] = []
    server = subprocess.Popen(
        [sys.executable, "-m", *command.split(), "--port", "0"],
        cwd=folder,
        env={**os.environ, "EXTRACTA_WEBHOOK_SECRET": secret, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr
        lines = iter(server.stderr.readline, "")
        yield (
            next(found[0] for line in lines if (found := re.findall(r"http://\S+:\d+", line))),
            said,
        )
    finally:
        server.terminate()
        said += server.communicate(timeout=20)[0].splitlines()


def send(url: str) -> str:
    program = SEND.replace("http://127.0.0.1:5000", url)
    assert program != SEND
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return ran.stdout


def test_the_app_takes_what_the_emulator_delivers(tmp_path: Path) -> None:
    with served(tmp_path, COMMAND[0][0]) as (url, said):
        assert send(url) == PRINTS
    (printed,) = re.findall(r"The app prints `(.*)`", PAGE)
    assert printed in said


@pytest.mark.parametrize("secret", ["E_AI_K_another"])
def test_another_secret_is_refused(tmp_path: Path, secret: str) -> None:
    with served(tmp_path, secret) as (url, said):
        assert send(url).splitlines()[0] == PRINTS.strip().replace("204", "401")
    assert not any("bill.pdf" in line for line in said)
