"""docs/webhooks-local.md: its commands are real, and what it says of the answers is so."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from extracta_rs import _loopback
from extracta_rs._cli import _deliveries, _delivery, _endpoint

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "webhooks-local.md").read_text(encoding="utf-8")
COMMAND = Path(sysconfig.get_path("scripts")) / "extracta-rs"
COMMANDS = [
    shlex.split(line)
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
    for line in block.splitlines()
    if line.startswith("extracta-rs ")
]


def test_the_samples_of_the_page_go_through_its_listen(app: Any, listen: Any) -> None:
    (receiver, *senders) = [command[1:] for command in COMMANDS]
    assert receiver[:2] == ["listen", "--forward-to"]
    listening = listen("--forward-to", app.url, secret="E_AI_K_test")
    app.secret = "E_AI_K_test"
    env = {**os.environ, "EXTRACTA_WEBHOOK_SECRET": "E_AI_K_test"}
    assert len(senders) >= 4
    for args in senders:
        done = subprocess.run(
            [COMMAND, *args, "--url", listening.url], env=env, capture_output=True, check=False
        )
        told = listening.told()
        assert told["valid"] == ("--bad-signature" not in args)
        assert (done.returncode == 0) == told["valid"]
        assert told["file_count"] == (3 if "--files" in args else 2)
        keys = set(told) - {"type"}
        assert keys == {name for name in keys if f"`{name}`" in PAGE}, "the page names every key"


def test_options_and_limits_of_the_page_are_real() -> None:
    listen, trigger = (
        subprocess.run(
            [COMMAND, command, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for command in ("listen", "trigger")
    )
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)):
        assert option in listen + trigger, option
    for event in re.findall(r"`((?:extraction|classification)\.\w+)`", PAGE):
        assert event in " ".join(trigger.split())
    assert _loopback.MOST_BYTES == 10_000_000
    assert "larger than 10 MB" in PAGE
    assert _deliveries.MOST_BYTES == 64 << 20
    assert "64 MiB" in PAGE
    assert f"504 after {_endpoint.TIMEOUT:.0f} seconds" in PAGE
    assert f"the first {_delivery.MOST_FILES})" in PAGE


def test_the_lines_of_the_page_are_what_is_printed(listen: Any, app: Any) -> None:
    good, bad = re.findall(r"^\d\d:\d\d:\d\d  #\d  .*$", PAGE, re.M)
    listening = listen("--forward-to", app.url, as_json=False)
    [listening.line() for _ in range(4)]
    env = {**os.environ, "EXTRACTA_WEBHOOK_SECRET": "E_AI_K_listen-säcret"}

    def shape(line: str) -> str:
        line = re.sub(r"batch -O[\w-]{18}", "batch ID", line)
        return re.sub(r"^\S+  #\d|\d+ ms", "", line).strip()

    for args, line in (
        (["extraction.processed"], good),
        (["extraction.edited", "--bad-signature"], bad),
    ):
        command = [COMMAND, "trigger", *args, "--url", listening.url, "--json"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert json.loads(done.stdout)["event"] in line
        assert shape(listening.line()) == shape(line)
