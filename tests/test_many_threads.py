"""A thousand threads share one client."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from extracta_rs import Client
from extracta_rs.testing import Emulator

THREADS = 1000
CONNECTIONS = 20


def sockets() -> int:
    links = Path("/proc/self/fd").iterdir()
    return sum(link.is_symlink() and "socket:" in str(link.readlink()) for link in links)


def test_each_of_1000_threads_gets_its_own_answer(
    extracta_emulator: Emulator, extraction_id: str
) -> None:
    answers: dict[int, str | None] = {}
    failures: list[BaseException] = []
    begin = threading.Event()
    most = before = sockets()

    with Client(
        extracta_emulator.api_key,
        base_url=extracta_emulator.base_url,
        max_connections=CONNECTIONS,
        min_poll_spacing=0,
    ) as client:

        def work(number: int) -> None:
            begin.wait()
            try:
                name = f"{number}.pdf"
                batch = client.extractions.upload(extraction_id, (name, b"%PDF"))
                assert client.credits() > 0
                results = client.extractions.results(extraction_id, batch.batch_id)
                answers[number] = results.files[0].file_name
            except BaseException as error:  # noqa: BLE001  # Shown by the test itself.
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        begin.set()
        while any(thread.is_alive() for thread in threads) and time.monotonic() - began < 60:
            most = max(most, sockets())
            time.sleep(0.02)
    assert failures == []
    assert answers == {number: f"{number}.pdf" for number in range(THREADS)}
    # The emulator is in this process: each connection has two ends.
    assert most - before <= 2 * CONNECTIONS
