"""A thousand threads share one client."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from extracta_rs import Client
from extracta_rs.testing import Emulator

THREADS = 1000
CONNECTIONS = 20


def connections(base_url: str) -> int:
    """Return how many connections to a local service are open, as /proc/net/tcp tells."""
    port = f":{urlsplit(base_url).port:04X}"
    opening, established, half_closed = "02", "01", "08"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    states = (opening, established, half_closed)
    # A set: what changes while it is read may be told twice.
    return len({line[1] for line in lines if line[2].endswith(port) and line[3] in states})


def test_each_of_1000_threads_gets_its_own_answer(
    extracta_emulator: Emulator, extraction_id: str
) -> None:
    answers: dict[int, str | None] = {}
    failures: list[BaseException] = []
    begin = threading.Event()
    # The client that made the extraction has one, too.
    most = before = connections(extracta_emulator.base_url)

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
            most = max(most, connections(extracta_emulator.base_url))
            time.sleep(0.02)
    assert failures == []
    assert answers == {number: f"{number}.pdf" for number in range(THREADS)}
    assert most - before <= CONNECTIONS
