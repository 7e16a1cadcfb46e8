"""What `extracta-rs trigger` sends: a delivery as the service would make it, signed.

The files are the sample documents of this package. Their ids are new each time, as a receiver that
drops what it has seen would otherwise drop them; a seed makes them the same again.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import sign
from .._outgoing import encode as encode
from .._outgoing import headers_of, identify
from ..exceptions import ConfigurationError
from ._listen_view import plain
from ._samples import documents

if TYPE_CHECKING:
    from ._endpoint import Answer, Endpoint

ERROR = "The file could not be processed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A delivery to be made.

    Attributes:
        event: the event; a legacy delivery does not name it, but its files follow it.
        legacy: whether it is of the generation without `event`.
        files: how many files are in it.
        failed: how many of them failed.
        seed: what the ids follow from.
    """

    event: str
    legacy: bool
    files: int
    failed: int
    seed: str

    def identify(self, what: str) -> str:
        """Return an id that looks like the service's."""
        return identify(self.seed, what)

    def body(self) -> dict[str, Any]:
        """Return the JSON of the body."""
        names = list(documents())
        result = [self._file(number, names[number % len(names)]) for number in range(self.files)]
        return {"result": result} if self.legacy else {"event": self.event, "result": result}

    def _file(self, number: int, name: str) -> dict[str, Any]:
        kind = "classification" if self.event.startswith("classification.") else "extraction"
        owner, batch = self.identify(kind), self.identify("batch")
        file_id = self.identify(f"file {number}")
        if number >= len(documents()):
            stem, _, suffix = name.rpartition(".")
            name = f"{stem} ({number // len(documents()) + 1}).{suffix}"
        shown: dict[str, Any] = {
            f"{kind}Id": owner,
            "batchId": batch,
            "fileId": file_id,
            "fileName": name,
        }
        if number >= self.files - self.failed:
            shown |= {"status": "failed", "error": ERROR}
        elif kind == "classification":
            shown |= {
                "status": "processed",
                "result": CLASSIFIED,
                "extraction": self._linked(number),
            }
        else:
            result = list(documents().values())[number % len(documents())]
            shown |= {"status": "processed", "result": result}
        return {**shown, "url": f"https://files.extracta.invalid/{owner}/{batch}/{file_id}"}

    def _linked(self, number: int) -> dict[str, str]:
        return {
            "extractionId": self.identify("extraction"),
            "batchId": self.identify(f"linked batch {number}"),
            "fileId": self.identify(f"linked file {number}"),
        }


CLASSIFIED = {"confidence": 0.97, "documentType": "invoice"}


def sample(event: str, *, legacy: bool, files: int, failed: int | None, seed: str | None) -> Sample:
    """Return what to send; what was not asked for is as the event has it."""
    if failed is None:
        failed = files if event.endswith(".failed") else 0
    return Sample(
        event=event,
        legacy=legacy,
        files=files,
        failed=failed,
        seed=secrets.token_hex(16) if seed is None else seed,
    )


def send(body: bytes, secret: str, app: Endpoint, *, bad_signature: bool) -> Answer:
    """Sign a body and POST it; a bad signature is one with another secret."""
    try:
        signature = sign(body, secret)
    except ValueError as error:
        raise ConfigurationError(f"the webhook secret cannot be used: {error}") from None
    if bad_signature:
        signature = sign(body, secrets.token_hex(16))
    headers = {**headers_of(signature), "User-Agent": "extracta-rs-trigger"}
    return app.post(body, headers.items())


def report(sample: Sample, body: dict[str, Any], url: str, answer: Answer) -> dict[str, Any]:
    """Return what was sent and what came of it, as `--json` prints it."""
    return {
        "url": url,
        "event": None if sample.legacy else sample.event,
        "body": body,
        "status": answer.status,
        "error": answer.error,
        "answer": answer.text,
        "ms": round(answer.seconds * 1000),
    }


def told(sample: Sample, size: int, url: str, answer: Answer) -> str:
    """Say what was sent and what came of it."""
    done = sample.files - sample.failed
    parts = [f"{done} processed"] if done else []
    parts += [f"{sample.failed} failed"] if sample.failed else []
    said = f" ({', '.join(parts)})" if parts else ""
    name = "a legacy delivery" if sample.legacy else plain(sample.event)
    files = f"{sample.files} {'file' if sample.files == 1 else 'files'}{said}"
    batch = f", batch {sample.identify('batch')}" if sample.files else ""
    lines = [f"Sent {name} to {plain(url)}: {files}{batch}, {size} bytes"]
    if answer.status is not None:
        text = f": {plain(' '.join(answer.text.split())[:200])}" if answer.text.strip() else ""
        lines.append(f"Answered {answer.status} in {answer.seconds * 1000:.0f} ms{text}")
    return "\n".join(lines)
