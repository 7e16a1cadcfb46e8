"""The quick form of `benches/kill.py`: runs that are killed and go on pay once and lose nothing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

KILL = Path(__file__).parent.parent / "benches" / "kill.py"


@pytest.fixture
def kill() -> Any:
    spec = importlib.util.spec_from_file_location("kill", KILL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and SIGSTOP")
def test_killed_runs_upload_each_document_once(kill: Any, tmp_path: Path) -> None:
    kills = kill.Kills(25, 7, tmp_path)
    kills.run()
    assert kills.counts["kills"] >= 25
    assert kills.counts["documents"] == kills.counts["documents uploaded"] > 0
    assert kills.counts["losses of power"] > 0
    assert kills.counts["unknown documents, where it cannot be decided"] == 3
    assert len(kills.steps) >= 5
