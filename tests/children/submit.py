"""A worker that submits one file under a label: URL, key, extraction, label, and a journal's path,
"first" for a first try without one, or "-" for a later try without one."""

from __future__ import annotations

import sys

from extracta_rs import Client

url, key, extraction_id, label, kept = sys.argv[1:]
with Client(key, base_url=url, min_poll_spacing=0, max_retries=0) as client:
    print(
        client.submit(
            extraction_id,
            ("a.pdf", b"%PDF"),
            idempotency_label=label,
            journal=None if kept in ("first", "-") else kept,
            first_try=kept == "first",
            settle_time=0.2,
        )
    )
