"""mypy and pyright accept every Python program of the site in strict mode, the examples too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from snippets import ROOT, SNIPPETS


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All programs, each a file."""
    folder = tmp_path_factory.mktemp("snippets")
    for snippet in SNIPPETS:
        (folder / f"{snippet.name}.py").write_text(snippet.module(), encoding="utf-8")
    for example in ("flask_app.py", "dedupe.py"):
        shutil.copy(ROOT / "examples" / example, folder)
    return folder


def check(folder: Path, *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_mypy_accepts_all_in_strict_mode(modules: Path) -> None:
    check(modules, "mypy", "--strict", "--cache-dir", os.devnull, ".")


def test_pyright_accepts_all_in_strict_mode(modules: Path) -> None:
    settings = '{"typeCheckingMode": "strict", "pythonVersion": "3.11"}'
    (modules / "pyrightconfig.json").write_text(settings, encoding="utf-8")
    check(modules, "pyright", "--pythonpath", sys.executable, "-p", ".")
