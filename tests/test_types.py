"""Type checkers agree with the package: mypy, pyright and stubtest, as users run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TYPING = Path(__file__).parent / "typing"


def check(*command: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, cwd=TYPING, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_mypy_accepts_a_program_over_the_whole_surface() -> None:
    check("mypy", "--strict", "--cache-dir", "/dev/null", "adapters.py", "aids.py", "api.py")


def test_pyright_accepts_it_in_strict_mode() -> None:
    check("pyright", "--pythonpath", sys.executable, "-p", ".")


def test_the_stubs_tell_what_the_module_has() -> None:
    check("mypy.stubtest", "extracta_rs", "--allowlist", "stubtest-allowlist.txt")
