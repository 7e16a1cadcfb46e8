"""Block in a wait until Ctrl-C; print when it arrived, on the clock that all processes share."""

import sys
import time

from extracta_rs import Client

base_url, extraction_id, batch_id = sys.argv[1:]
client = Client("test-key", base_url=base_url, min_poll_spacing=0)
client.credits()
print("ready", flush=True)
try:
    client.extractions.wait(extraction_id, batch_id, poll_interval=600, max_poll_interval=600)
except KeyboardInterrupt:
    print(time.monotonic(), flush=True)
print(client.credits(), flush=True)
