"""Signed deliveries for the test client of a web framework: `sign_delivery`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

from .._outgoing import encode, headers_of, identify
from ..models import BatchResults, FileResult
from ..webhooks import sign

Generation: TypeAlias = Literal["current", "legacy", "legacy-list"]
"""What a body is: `{"event": ..., "result": [...]}`, `{"result": [...]}`, or `[...]`."""

DeliveredFiles: TypeAlias = (
    BatchResults | FileResult | Mapping[str, Any] | Iterable[FileResult | Mapping[str, Any]]
)
"""Files to deliver: results, one file, or several; a dict is a file in the vendor's JSON."""


class SignedDelivery(NamedTuple):
    """A delivery to send: `body, headers = sign_delivery(...)`.

    Attributes:
        body: the raw body; send these bytes, not their JSON.
        headers: `Content-Type`, and the signature.
    """

    body: bytes
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"<SignedDelivery of {len(self.body)} bytes, headers {', '.join(self.headers)}>"


def sign_delivery(
    files: DeliveredFiles,
    secret: str | bytes,
    *,
    event: str | None = None,
    generation: Generation = "current",
) -> SignedDelivery:
    """Make a webhook delivery as the service would send it, for a test of what receives it.

    ```python
    body, headers = sign_delivery({"fileName": "a.pdf", "result": {"total": "9.50"}}, secret)
    flask_app.test_client().post("/webhooks/extracta", data=body, headers=headers)
    starlette.testclient.TestClient(app).post("/webhooks/extracta", content=body, headers=headers)
    django.test.Client().post(
        "/webhooks/extracta", body, content_type="application/json", headers=headers
    )
    ```

    What a delivered file always has and these lack is filled in: ids (equal files get equal ones,
    the files of a call the same batch), a name, a URL, and the status: "failed" where there is an
    `error`, otherwise "processed".

    Args:
        files: `BatchResults` (of the emulator, of a cassette), a `FileResult`, a dict in the
            vendor's JSON ("fileName", "result", ...), or an iterable of these. A dict with a list
            "files" is the answer of `getBatchResults`.
        secret: the webhook secret that it is signed with, with or without its `E_AI_K_`.
        event: the event; by default "extraction.processed", "extraction.failed" where every file
            failed, or the same of `classification`, as the files say.
        generation: what the body looks like; "legacy" is `{"result": [...]}` without an event,
            "legacy-list" the bare list.

    Returns:
        The body, and the headers that go with it.

    Raises:
        TypeError: something that is no file, or no JSON.
        ValueError: a secret that cannot be used, an event for a legacy delivery, or a number that
            JSON cannot have.
    """
    if generation not in ("current", "legacy", "legacy-list"):
        raise ValueError(f"generation: not {generation!r}; current, legacy or legacy-list")
    if event is not None and generation != "current":
        raise ValueError("a legacy delivery has no event")
    result = _complete(_listed(files))
    body: Any = result
    if generation != "legacy-list":
        body = {"result": result}
    if generation == "current":
        body = {"event": event or _event_of(result), **body}
    raw = encode(body)
    return SignedDelivery(raw, headers_of(sign(raw, secret)))


def _listed(files: DeliveredFiles) -> list[dict[str, Any]]:
    if isinstance(files, BatchResults):
        ids = {
            "extractionId": files.extraction_id,
            "classificationId": files.classification_id,
            "batchId": files.batch_id,
        }
        known = {key: value for key, value in ids.items() if value is not None}
        return [{**known, **file.to_dict()} for file in files.files]
    if isinstance(files, Mapping):
        inner = files.get("files")
        if not isinstance(inner, list):
            return [dict(files)]
        ids = {key: files.get(key) for key in ("extractionId", "classificationId", "batchId")}
        known = {key: value for key, value in ids.items() if isinstance(value, str)}
        return [{**known, **file} for file in _listed(inner)]
    if isinstance(files, FileResult):
        return [dict(files.to_dict())]
    if isinstance(files, str | bytes) or not isinstance(files, Iterable):
        raise TypeError(f"files: results or dicts are needed, not {type(files).__name__}")
    return [_single(file) for file in files]


def _single(file: object) -> dict[str, Any]:
    if isinstance(file, FileResult):
        return dict(file.to_dict())
    if isinstance(file, Mapping):
        return dict(file)
    raise TypeError(f"files: a FileResult or a dict is needed, not {type(file).__name__}")


def _complete(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    digest = hashlib.sha256(encode(files)).hexdigest()
    return [_completed(file, number, digest) for number, file in enumerate(files)]


def _completed(file: dict[str, Any], number: int, seed: str) -> dict[str, Any]:
    owner = f"{_kind(file)}Id"
    filled = {
        owner: identify(seed, "owner"),
        "batchId": identify(seed, "batch"),
        "fileId": identify(seed, f"file {number}"),
        "fileName": f"document-{number + 1}.pdf",
        "status": "failed" if file.get("error") else "processed",
        **file,
    }
    filled.setdefault(
        "url",
        f"https://files.extracta.invalid/{filled[owner]}/{filled['batchId']}/{filled['fileId']}",
    )
    return filled


def _kind(file: dict[str, Any]) -> str:
    if "extractionId" in file:
        return "extraction"
    result = file.get("result")
    classified = isinstance(result, dict) and "documentType" in result and "confidence" in result
    return "classification" if classified or "classificationId" in file else "extraction"


def _event_of(files: list[dict[str, Any]]) -> str:
    kind = _kind(files[0]) if files else "extraction"
    failed = bool(files) and all(file.get("status") == "failed" for file in files)
    return f"{kind}.{'failed' if failed else 'processed'}"
