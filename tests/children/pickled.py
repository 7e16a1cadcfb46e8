"""A client is sent to processes as an engine sends it: the way they start ("spawn", "fork",
"forkserver"), an extraction. URL and key are in the environment."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import sys

from extracta_rs import AsyncClient, Client, Status


def submit(client: Client, extraction_id: str) -> str:
    """Do the first step in another process."""
    return client.submit(extraction_id, ("a.pdf", b"%PDF"))


def check(client: AsyncClient, token: str) -> Status:
    """Do the second, on asyncio."""
    return asyncio.run(client.check(token))


def fetch(client: Client, token: str) -> list[str | None]:
    """Do the third."""
    return [file.file_name for file in client.fetch(token)]


def main() -> None:
    method, extraction_id = sys.argv[1:]
    client = Client(min_poll_spacing=0.25, timeout=20)
    # In use before it is sent: connections and threads must not go along.
    client.extractions.view(extraction_id)
    twin = AsyncClient(min_poll_spacing=0.25)
    for sent in (client, twin):
        assert os.environ["EXTRACTA_API_KEY"].encode() not in pickle.dumps(sent)
    context = multiprocessing.get_context(method)
    # One process for each step.
    with context.Pool(1, maxtasksperchild=1) as pool:
        token = pool.apply(submit, (client, extraction_id))
        status = pool.apply(check, (twin, token))
        assert status.finished, status
        print(pool.apply(fetch, (client, token)))
    # The parent's own goes on.
    assert client.check(token).finished


if __name__ == "__main__":
    main()
