"""Kills runs at every step; `benches/kill.py` does the same five hundred times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benches" / "kill.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="benches/ is not part of the source distribution")
def test_nothing_is_uploaded_twice_and_nothing_lost_whenever_a_run_is_killed() -> None:
    command = [sys.executable, str(SCRIPT), "--kills", "30", "--seed", "7", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    found = json.loads(ran.stdout)
    assert found["problems"] == []
    assert ran.returncode == 0, ran.stderr
    assert found["uploads"] + found["unknown"] >= found["documents"] > 0
    # Each step was met.
    assert len([step for step, kills in found["kills"].items() if kills]) >= 7
    assert found["copies"] >= 20


@pytest.mark.skipif(not SCRIPT.exists(), reason="benches/ is not part of the source distribution")
@pytest.mark.usefixtures("postgres")
def test_two_workers_share_a_journal_and_are_killed() -> None:
    options = ["--journal", "postgres", "--workers", "2", "--kills", "11", "--seed", "3", "--json"]
    ran = subprocess.run([sys.executable, str(SCRIPT), *options], capture_output=True, timeout=300)
    found = json.loads(ran.stdout)
    assert found["problems"] == []
    assert ran.returncode == 0, ran.stderr
    assert found["uploads"] == found["documents"] >= 36
    assert sum(found["kills"].values()) >= 11
