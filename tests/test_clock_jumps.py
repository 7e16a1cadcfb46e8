"""The wall clock jumps; the deadlines of waits do not move.

Needs libfaketime (Debian's `faketime`); skipped without it, unless `EXTRACTA_TESTS_REQUIRE` has the
word `faketime`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from extracta_rs.testing import Emulator

REQUIRED = "faketime" in os.environ.get("EXTRACTA_TESTS_REQUIRE", "").split(",")
PROGRAM = """
import json, sys, time
from extracta_rs import Client, WaitTimeoutError
base_url, extraction_id, batch_id, clock = sys.argv[1:]
waited, seen = [], []
with Client("test-key", base_url=base_url, min_poll_spacing=0) as client:
    for jump in ("+0", "+36000", "-36000"):
        before = time.monotonic()
        def jumps(results):
            seen.append(time.time())
            with open(clock, "w") as file:
                file.write(jump)
        try:
            client.extractions.wait(
                extraction_id, batch_id, timeout=1.5, poll_interval=0.2, max_poll_interval=0.2,
                on_progress=jumps,
            )
        except WaitTimeoutError:
            waited.append(time.monotonic() - before)
print(json.dumps([waited, max(seen) - min(seen)]))
"""


@pytest.fixture
def library() -> Path:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        missing = "libfaketime is not installed"
        pytest.fail(missing) if REQUIRED else pytest.skip(missing)
    return found[0]


@pytest.mark.extracta_emulator(processing_time=3600)
def test_the_deadline_does_not_move_when_the_wall_clock_jumps(
    library: Path,
    tmp_path: Path,
    extraction_id: str,
    batch_id: str,
    extracta_emulator: Emulator,
) -> None:
    clock = tmp_path / "clock"
    clock.write_text("+0")
    environment = {
        **os.environ,
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, extracta_emulator.base_url, extraction_id, batch_id, clock],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    waited, jumped = json.loads(ran.stdout)
    assert jumped > 30_000, "the clock did jump"
    assert all(1.5 <= seconds < 3 for seconds in waited), waited
    assert len(waited) == 3
