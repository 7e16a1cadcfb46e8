"""What the tests of `run_many` share: how they run, and what the emulator was sent."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from extracta_rs import RunResults
from extracta_rs.testing import Emulator

FAST = {"poll_interval": 0.02, "max_poll_interval": 0.05, "settle_time": 0.3}


def run(
    face: Any, extraction_id: str, files: object, journal: object, **settings: Any
) -> list[RunResults]:
    """Run to the end; return all results."""
    settings = {"journal": journal, **FAST, **settings}
    results: list[RunResults] = face("extractions.run_many", extraction_id, files, **settings)
    return results


def uploaded(emulator: Emulator) -> Counter[tuple[str | None, str]]:
    """Return how often each document was taken by the service, by name and content."""
    return Counter(
        (part.file_name, part.sha256)
        for request in emulator.requests()
        if request.endpoint == "uploadFiles" and request.carried_out
        for part in request.parts
        if part.name == "files"
    )


def names(results: Iterable[RunResults]) -> list[str]:
    """Return the sorted names of all documents with results."""
    return sorted(document.name for batch in results for document in batch.documents)


def once(*documents: tuple[str, bytes]) -> Counter[tuple[str | None, str]]:
    """Return what `uploaded` tells when each document was uploaded once."""
    return Counter((name, hashlib.sha256(content).hexdigest()) for name, content in documents)


def hold(condition: Callable[[], bool], limit: float = 20.0) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < until, "it never became true"
        time.sleep(0.005)


BEFORE = once(("before.txt", b"before"))


WORKER = """
    import sys
    from pathlib import Path
    from extracta_rs import Client

    url, key, extraction_id, folder, journal = sys.argv[1:]
    with Client(key, base_url=url, min_poll_spacing=0) as client:
        files = sorted(Path(folder).iterdir())
        found = 0
        for batch in client.extractions.run_many(
            extraction_id, files, journal=journal, max_files_per_batch=2, concurrency=2,
            poll_interval=0.02, max_poll_interval=0.05, settle_time=1.0,
        ):
            found += len(batch.documents)
    print(found)
"""


def work(emulator: Emulator, extraction_id: str, folder: Path, journal: Path) -> Any:
    """Start a run in a process of its own."""
    arguments = [emulator.base_url, emulator.api_key, extraction_id, str(folder), str(journal)]
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WORKER), *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
