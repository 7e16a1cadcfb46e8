"""Fork while a call is under way, use the same client in the child, end the call in the parent.

Reads what to do from standard input, a word a line, and answers each with a line.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from extracta_rs import AsyncClient, Client, ClientClosedError, Journal

phase, how, face, url, key, mine, other, batch_id, token, folder, journal_path = sys.argv[1:]
kind: Any = Client if face == "blocking" else AsyncClient
client = kind(key, base_url=url, min_poll_spacing=0, connect_timeout=30)
journal = Journal(journal_path)
files = sorted(Path(folder).iterdir())
FAST = {"poll_interval": 0.02, "max_poll_interval": 0.05, "settle_time": 0.3}


def call(method: Any, *args: Any, **settings: Any) -> Any:
    if face == "blocking":
        told = method(*args, **settings)
        return list(told) if hasattr(told, "__next__") else told

    async def on_loop() -> Any:
        told = method(*args, **settings)
        return [one async for one in told] if hasattr(told, "__anext__") else await told

    return asyncio.run(on_loop())


def operate() -> object:
    calls = client.extractions
    slow = {"poll_interval": 0.5, "max_poll_interval": 0.5}
    if phase == "sending":
        return call(calls.upload, mine, ("big.pdf", bytes(16 << 20))).batch_id
    if phase == "sleeping":
        return call(calls.wait, mine, batch_id, **slow).batch_id
    if phase == "sweeping":
        return [told.batch_id for told in call(calls.wait_many, [token], **slow)]
    if phase == "running":
        run = call(calls.run_many, mine, files, journal=journal, max_files_per_batch=1, **FAST)
        return sorted(document.name for told in run for document in told.documents)
    return call(calls.view, mine).extraction_id


def in_child() -> None:
    if phase == "closed":
        try:
            call(client.extractions.view, other)
        except ClientClosedError:
            return
        raise AssertionError("a closed client is open in the child")
    assert call(client.extractions.view, other).extraction_id == other
    if phase == "running":
        assert journal.status()["planned"] + journal.status()["uploading"] > 0
        run = call(client.extractions.run_many, other, files[:1], journal=journal, **FAST)
        assert [document.name for told in run for document in told.documents] == [files[0].name]
        journal.check()


def fork() -> int:
    """Fork; return the child's id."""
    if how == "multiprocessing":
        process = multiprocessing.get_context("fork").Process(target=in_child)
        process.start()
        assert process.pid
        return process.pid
    pid = os.fork()
    if pid == 0:
        in_child()
        sys.exit()  # Like an ordinary process, with its exit handlers.
    return pid


def ended(pid: int) -> object:
    """Return the child's status, once it has ended."""
    limit = time.monotonic() + 20
    while time.monotonic() < limit:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
        time.sleep(0.005)
    os.kill(pid, 9)
    return "it hangs"


results: list[object] = []
thread = threading.Thread(target=lambda: results.append(operate()))
pid = 0
for word in map(str.strip, sys.stdin):
    told: object = None
    if word == "begin" and phase == "closed":
        client.close()
    elif word == "begin" and phase != "unused":
        thread.start()
    elif word == "fork":
        pid = fork()
    elif word == "wait":
        told = ended(pid)
    elif word == "end" and phase == "unused":
        told = operate()
    elif word == "end" and phase != "closed":
        thread.join()
        told = results[0]
    print(json.dumps(told), flush=True)
