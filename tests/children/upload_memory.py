"""Upload a large file; print by how many bytes the peak of the process' memory rose."""

import asyncio
import resource
import sys

from extracta_rs import AsyncClient, Client

base_url, extraction_id, path, how = sys.argv[1:]
settings = {"api_key": "test-key", "base_url": base_url, "min_poll_spacing": 0}


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


async def main() -> int:
    async with AsyncClient(**settings) as client:
        await client.extractions.upload(extraction_id, ("small", b"small"))
        before = peak()
        await client.extractions.upload(extraction_id, path)
        return peak() - before


if how == "asyncio":
    print(asyncio.run(main()))
else:
    with Client(**settings) as client:
        client.extractions.upload(extraction_id, ("small", b"small"))
        before = peak()
        if how == "object":
            with open(path, "rb") as file:  # noqa: PTH123  a file object is the point
                client.extractions.upload(extraction_id, file)
        else:
            client.extractions.upload(extraction_id, path)
        print(peak() - before)
