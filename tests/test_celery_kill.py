"""Kills Celery workers all the time; `benches/celery_kill.py` does it to a thousand documents."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pace_tools import redis_server

SCRIPT = Path(__file__).parent.parent / "benches" / "celery_kill.py"


@pytest.mark.skipif(not SCRIPT.exists(), reason="benches/ is not part of the source distribution")
@pytest.mark.skipif(sys.platform != "linux", reason="the children of a pool are found in /proc")
def test_each_document_is_uploaded_and_stored_once_whatever_is_killed(tmp_path: Path) -> None:
    for _url in redis_server(tmp_path):  # to skip or fail where there is none
        command = [sys.executable, str(SCRIPT), "--documents", "100", "--pause", "1.5", "--json"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=240)
    found = json.loads(ran.stdout)
    assert found["problems"] == []
    assert ran.returncode == 0, ran.stderr
    assert (found["uploaded_once"], found["stored_once"]) == (100, 100)
    assert found["failed_tasks"] == 0
    assert found["killed"] >= 10
