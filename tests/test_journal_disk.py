"""A journal on a disk that is full or cannot be written: a clear error, and nothing paid twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from extracta_rs import Client, Journal, JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from extracta_rs.testing import Emulator

FAST: dict[str, Any] = {"poll_interval": 0.01, "max_poll_interval": 0.05, "settle_time": 0.3}
SPACE = 1 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs root on Linux, to mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SPACE}", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_and_the_next_run_finds_what_was_paid(
    extracta_client: Client, extracta_emulator: Emulator, extraction_id: str, small_disk: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    extracta_client.extractions.upload(extraction_id, ("earlier.pdf", b"%PDF"))
    journal, ballast = small_disk / "j", small_disk / "ballast"
    many = extracta_client.extractions.run_many
    list(many(extraction_id, [("first.pdf", b"%PDF 1")], journal=journal, **FAST))

    # The disk fills up while the upload is on its way: the emulator holds its answer back.
    extracta_emulator.faults.add("uploadFiles", delay=0.5)
    results = many(extraction_id, [("paid.pdf", b"%PDF 2")], journal=journal, **FAST)
    while extracta_emulator.faults.pending():
        pass
    with ballast.open("wb", buffering=0) as stream, pytest.raises(OSError, match="space"):
        while True:
            stream.write(b"x" * 4096)
    with pytest.raises(JournalError, match="disk is full") as caught:
        list(results)
    paid = extracta_emulator.requests()
    (batch_id,) = {
        request.batch_id
        for request in paid
        if request.endpoint == "uploadFiles"
        and any(part.file_name == "paid.pdf" for part in request.parts)
    }
    assert f"batch {batch_id}" in str(caught.value)
    ballast.unlink()
    again = list(many(extraction_id, [("paid.pdf", b"%PDF 2")], journal=journal, **FAST))
    assert [batch.batch_id for batch in again] == [batch_id]
    with Journal(journal) as opened:
        opened.check()
        assert opened.status()["finished"] == 2


def test_a_limit_on_file_sizes_is_told(tmp_path: Path) -> None:
    """As quotas and `ulimit -f` do it; works without root."""
    program = """
import resource, signal, sys
from extracta_rs import Journal, JournalError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    Journal(sys.argv[1])
except JournalError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "j")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "full" in done.stdout, done.stdout
    assert "go on with the same journal" in done.stdout
    with Journal(tmp_path / "j") as journal:
        journal.check()
        assert set(journal.status().values()) == {0}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(JournalError, match=r"writ|open"):
            Journal(tmp_path / "j")
    finally:
        tmp_path.chmod(0o700)
