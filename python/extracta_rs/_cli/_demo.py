"""The job of `extracta-rs demo`; what a person sees of it is in `_demo_view`.

Only the service is not real: the client, the HTTP, the waits, the signatures and the documents
are. The emulator answers with `samples/documents.json`, which tells what each document says.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Protocol

from .. import SIGNATURE_HEADER, Client, templates
from ..testing import Emulator
from ._receiver import Accepted, Receiver
from ._samples import SAMPLES, documents

if TYPE_CHECKING:
    from .. import BatchResults

TEMPLATE = "invoice"
PROCESSING_TIME = 1.0
POLL_SPACING = 0.25
TIMEOUT = 20.0


class Watcher(Protocol):
    """Is told how the job goes on."""

    def started(self, emulator_url: str, webhook_url: str) -> None: ...

    def created(self, extraction_id: str) -> None: ...

    def uploading(self, sent: int, total: int | None) -> None: ...

    def uploaded(self, batch_id: str, count: int) -> None: ...

    def polled(self, results: BatchResults) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the job came to.

    Attributes:
        results: the batch as polling got it.
        requests: (method and path, status) to how often it was made.
        bytes_uploaded: the bytes of the upload's body.
        polling_seconds: how long the wait by polling took.
        events: the event of the verified delivery, if one came.
        webhook_same: whether the webhook told the same results as polling.
        deliveries_verified: how many deliveries were verified.
        deliveries_refused: how many were refused before the forged one was made.
        forged_status: the receiver's answer to the forged delivery.
        seconds: how long all of it took.
        problems: what is not as it should be; empty when all is well.
    """

    results: BatchResults
    requests: dict[tuple[str, int | None], int]
    bytes_uploaded: int
    polling_seconds: float
    event: str | None
    webhook_same: bool
    deliveries_verified: int
    deliveries_refused: int
    forged_status: int | None
    seconds: float
    problems: list[str]

    @property
    def polls(self) -> int:
        """How many requests the wait by polling made."""
        return sum(n for (call, _), n in self.requests.items() if call.endswith("/getBatchResults"))


def run_demo(watcher: Watcher) -> Report:
    """Upload the samples to an emulator, wait both ways, forge a delivery, and report."""
    said = documents()
    secret = f"E_AI_K_{secrets.token_hex(16)}"
    with (
        Receiver(secret) as receiver,
        Emulator(
            webhook_url=receiver.url,
            webhook_secret=secret,
            processing_time=PROCESSING_TIME,
            results=said,
        ) as emulator,
        Client(
            emulator.api_key, base_url=emulator.base_url, min_poll_spacing=POLL_SPACING
        ) as client,
    ):
        watcher.started(emulator.base_url, receiver.url)
        return do_the_job(watcher, said, receiver, emulator, client)


def do_the_job(
    watcher: Watcher,
    said: dict[str, dict[str, Any]],
    receiver: Receiver,
    emulator: Emulator,
    client: Client,
) -> Report:
    """Do what `run_demo` promises, with everything set up."""
    began = time.monotonic()
    sent = 0

    def uploading(so_far: int, total: int | None) -> None:
        nonlocal sent
        sent = so_far
        watcher.uploading(so_far, total)

    extraction = client.extractions.create(**templates.load(TEMPLATE))
    watcher.created(extraction.extraction_id)
    files = [SAMPLES / name for name in said]
    batch = client.extractions.upload(extraction.extraction_id, files, on_progress=uploading)
    watcher.uploaded(batch.batch_id, len(batch.files))
    uploaded = time.monotonic()
    results = batch.wait(timeout=TIMEOUT, poll_interval=POLL_SPACING, on_progress=watcher.polled)
    polled = time.monotonic()
    delivery = receiver.wait(batch.batch_id, TIMEOUT)
    verified, refused = receiver.verified, receiver.refused
    forged_status = forge(receiver.port, delivery) if delivery else None
    same = delivery is not None and values(delivery.event.files) == values(results.files)
    return Report(
        results=results,
        requests=dict(Counter((f"{r.method} {r.path}", r.status) for r in emulator.requests())),
        bytes_uploaded=sent,
        polling_seconds=polled - uploaded,
        event=delivery.event.event if delivery else None,
        webhook_same=same,
        deliveries_verified=verified,
        deliveries_refused=refused,
        forged_status=forged_status,
        seconds=time.monotonic() - began,
        problems=problems(results, said, delivery, same, forged_status),
    )


def values(files: list[Any]) -> dict[str, dict[str, Any]]:
    """Return the extracted fields by file name."""
    return {file.file_name: file.result for file in files}


def forge(port: int, delivery: Accepted) -> int:
    """Send a delivery again, its signature unchanged, with another total; return the answer."""
    body = json.loads(delivery.event.raw)
    body["result"][0]["result"]["total"] = "1000000.00"
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: delivery.signature}
        connection.request("POST", "/webhook", json.dumps(body), headers)
        return connection.getresponse().status
    finally:
        connection.close()


def problems(
    results: BatchResults,
    said: dict[str, dict[str, Any]],
    delivery: Accepted | None,
    same: bool,
    forged_status: int | None,
) -> list[str]:
    """Name what is not as it should be."""
    found = []
    if values(results.files) != said:
        found.append("the results are not what the documents say")
    if delivery is None:
        found.append("no signed webhook came")
    elif not same:
        found.append("the webhook told other results than polling")
    if delivery is not None and forged_status != 401:
        found.append(f"a forged webhook was answered {forged_status}")
    return found
