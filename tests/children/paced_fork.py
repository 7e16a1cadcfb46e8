"""A client with a limiter is used before a fork and in each child: URL, key, limiter (a path or a
URL), spacing, extraction, batch."""

from __future__ import annotations

import os
import sys

from extracta_rs import Client, Journal
from extracta_rs.redis import RedisLimiter

url, key, shared, spacing, extraction_id, batch_id = sys.argv[1:]
limiter = RedisLimiter(shared) if shared.startswith("redis") else Journal(shared)
client = Client(key, base_url=url, min_poll_spacing=float(spacing), limiter=limiter)
client.extractions.results(extraction_id, batch_id)
children: list[int] = []
while len(children) < 3:
    child = os.fork()
    if child == 0:
        break
    children.append(child)
for _ in range(3):
    client.extractions.results(extraction_id, batch_id)
if len(children) == 3:
    print([os.waitpid(child, 0)[1] for child in children])
