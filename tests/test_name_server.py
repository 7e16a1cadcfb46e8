"""A name server that says nothing: calls end while a name is looked up, and so does the process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

End = Callable[..., str]
CHILD = Path(__file__).parent / "children" / "dns_hangs.py"
APART = ["unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c"]
MOUNT = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"'


@pytest.fixture
def apart(tmp_path: Path) -> list[str]:
    """What starts a command that asks a name server of its own."""
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    command = [*APART, MOUNT, "sh", str(resolver)]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("this system has no unshare")
    if tried.returncode:
        pytest.skip(f"no namespaces here: {tried.stderr.strip()}")
    return command


@pytest.mark.parametrize("how", ["cancelled", "timeout", "returned"])
def test_a_call_ends_while_its_name_is_looked_up(how: str, apart: list[str], end: End) -> None:
    command = [*apart, sys.executable, str(CHILD), how]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ended = float(end(process))
    assert time.monotonic() - ended < 2
