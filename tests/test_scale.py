"""The figures of docs/scale.md are those of its simulation, and the client does what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "benches" / "scale.py"
pytestmark = pytest.mark.skipif(
    not SCRIPT.exists(), reason="benches/ is not part of the source distribution"
)


def run(*options: str) -> str:
    command = [sys.executable, str(SCRIPT), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout


def test_the_document_has_the_figures_of_the_simulation() -> None:
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    told = run()
    assert told.count("\n") > 35
    for part in told.strip().split("\n\n"):
        assert part in text


def test_the_simulation_is_the_same_each_time_and_within_what_is_possible() -> None:
    first, second = run("--quick", "--json"), run("--quick", "--json")
    assert first == second
    found: Any = json.loads(first)
    # One request each 2 s, and the time to its answer.
    turns = 86_400 / 2.15
    assert turns * 0.98 < found["capacity"]["poll"] < turns * 1.02
    assert turns * 0.87 < found["capacity"]["sweep"] < turns * 0.91  # eight fetches and a sweep
    assert found["capacity"]["webhook"] > 900 * turns
    for line in found["lines"]:
        assert line["keys"] == 1
        assert line["requests_per_batch"] >= 1 or line["way"] == "webhook"
        assert 0 <= line["median"] <= line["slowest"]
    slower: Any = json.loads(run("--quick", "--json", "--spacing", "4"))
    assert slower["capacity"]["poll"] < 0.6 * found["capacity"]["poll"]


def test_the_client_makes_as_many_requests_as_the_model_says() -> None:
    compared: Any = json.loads(run("--check", "--quick", "--json"))
    assert [row["way"] for row in compared] == ["poll", "sweep"] * 2
    for row in compared:
        # A machine that is busy stretches the client's times, not the model's.
        assert row["client"] >= row["batches"]
        assert abs(row["model"] - row["client"]) <= 0.2 * row["model"], row
