"""A run of `run_many` in a process of its own: URL, key, extraction, folder, journal, and
the spacing where there is one."""

from __future__ import annotations

import sys
from pathlib import Path

from extracta_rs import Client

url, key, extraction_id, folder, journal, *spacing = sys.argv[1:]
with Client(key, base_url=url, min_poll_spacing=float(spacing[0]) if spacing else 0) as client:
    results = client.extractions.run_many(
        extraction_id, sorted(Path(folder).iterdir()), journal=journal, max_files_per_batch=2,
        poll_interval=0.01, max_poll_interval=0.05, settle_time=0.3,
    )  # fmt: skip
    print(len({batch.batch_id for batch in results}))
