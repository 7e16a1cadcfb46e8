"""A worker that asks for results all the time until standard input ends: URL, key, limiter (a
journal's path or a Redis' URL), spacing, how ("wait", "check", "stand", "results"), its name,
tokens of batches."""

from __future__ import annotations

import logging
import sys
import threading
import time

from extracta_rs import Client, ClientClosedError, Journal, RateLimitError
from extracta_rs.redis import RedisLimiter

url, key, shared, spacing, how, name, *tokens = sys.argv[1:]
logging.basicConfig(format="%(message)s", stream=sys.stdout, level=logging.WARNING)
limiter = RedisLimiter(shared) if shared.startswith("redis") else Journal(shared)
client = Client(
    key, base_url=url, min_poll_spacing=float(spacing), limiter=limiter, max_retries=0,
    headers={"x-worker": name},
)  # fmt: skip
print("ready", flush=True)
sys.stdin.readline()
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), client.close(), ended.set())).start()


def check(max_wait: float) -> None:
    while True:
        for token in tokens:
            status = client.check(token, max_wait=max_wait)
            if not max_wait:
                time.sleep(min(status.retry_after, 2 * float(spacing)))


def results() -> None:
    while True:
        for token in tokens:
            try:
                client.resume(token).results()
            except RateLimitError as error:
                print("refused", error.retry_after, flush=True)


try:
    if how == "wait":
        list(client.extractions.wait_many(tokens, poll_interval=0.05, max_poll_interval=0.05))
    elif how == "results":
        results()
    else:
        check(max_wait=60 if how == "stand" else 0)
except ClientClosedError:
    ended.wait()
