"""The least that an installed wheel has to do, on every platform: a job on the emulator."""

from __future__ import annotations

import sys

from extracta_rs import Client, __version__, sign, templates, verify_signature
from extracta_rs.testing import Emulator

with Emulator() as emulator, Client(emulator.api_key, base_url=emulator.base_url) as client:
    extraction = client.extractions.create(**templates.load("invoice"))
    (file,) = client.extractions.run(extraction.extraction_id, ("a.pdf", b"%PDF"), poll_interval=0)
    assert (file.file_name, file.status) == ("a.pdf", "processed")
body = b'{"event":"extraction.processed","result":[]}'
assert verify_signature(body, sign(body, emulator.webhook_secret), emulator.webhook_secret)
sys.stdout.write(f"extracta_rs {__version__} works on {sys.platform}, {sys.version}\n")
