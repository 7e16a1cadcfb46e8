"""Meet an answer that is too large; print the error's class and by how much memory rose."""

import resource
import sys

from extracta_rs import Client, ExtractaError

small_url, large_url = sys.argv[1:]
settings = {"min_poll_spacing": 0, "max_retries": 0}


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


with Client("test-key", base_url=small_url, **settings) as client:
    client.credits()
before = peak()
with Client("test-key", base_url=large_url, **settings) as client:
    try:
        client.extractions.results("x", "b")
    except ExtractaError as error:
        print(type(error).__name__, peak() - before, len(error.body))
