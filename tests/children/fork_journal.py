"""Forks of a process that has a journal open: fork_journal.py WHAT ARGUMENT..."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from extracta_rs import Client, Journal

what, *arguments = sys.argv[1:]


def outlive() -> None:
    """A run, and a child that lives on when this process is killed."""
    url, key, extraction_id, folder, path = arguments
    client = Client(key, base_url=url, min_poll_spacing=0)
    files = sorted(Path(folder).iterdir())
    results = client.extractions.run_many(
        extraction_id, files, journal=path, poll_interval=0.02, max_poll_interval=0.05
    )
    threading.Thread(target=lambda: list(results), daemon=True).start()
    sys.stdin.readline()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
        sys.stdin.read()  # Until the test has ended.
        os._exit(0)
    time.sleep(60)


def often() -> None:
    """Forks between the steps of a run, each child a user of the same journal."""
    url, key, extraction_id, folder, path = arguments
    client = Client(key, base_url=url, min_poll_spacing=0)
    journal = Journal(path)
    files = sorted(Path(folder).iterdir())
    results = client.extractions.run_many(
        extraction_id, files, journal=journal, max_files_per_batch=1, poll_interval=0.02,
        max_poll_interval=0.05,
    )  # fmt: skip
    seen: list[str] = []
    run = threading.Thread(
        target=lambda: seen.extend(d.name for told in results for d in told.documents)
    )
    run.start()
    forks = 0
    while run.is_alive() or forks < 20:
        pid = os.fork()
        if pid == 0:
            journal.retry(unknown=True)  # A step that writes.
            journal.check()
            os._exit(0)
        forks += 1
        assert os.waitpid(pid, 0)[1] == 0
    run.join()
    assert sorted(seen) == [path.name for path in files]
    print("fine")


def keep() -> None:
    """A child that goes on with the journal when its parent has closed it."""
    (path,) = arguments
    journal = Journal(path)
    journal.status()
    opened, tell_opened = os.pipe()
    closed, tell_closed = os.pipe()
    pid = os.fork()
    if pid == 0:
        assert journal.status()["finished"] == 3
        os.write(tell_opened, b"x")
        os.read(closed, 1)
        assert journal.retry(failed=True) == 1
        os._exit(0)
    os.read(opened, 1)
    journal.close()
    os.write(tell_closed, b"x")
    assert os.waitpid(pid, 0)[1] == 0
    print("fine")


{"outlive": outlive, "often": often, "keep": keep}[what]()
