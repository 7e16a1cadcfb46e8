"""Checks and opens the webhooks that Extracta.ai sends; needs no client and no network.

The vendor's documentation (docs.extracta.ai) says what is signed: the header
`x-webhook-signature` is the base64 of HMAC-SHA256 over `JSON.stringify(body.result)`, with the
webhook secret less its `E_AI_K_` as the key. From this it follows that `event` is not signed, that
there is no time in it, and that the raw body of the request is needed, not its parsed JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, TypeAlias

from . import _core
from .models import FileResult

__all__ = [
    "SIGNATURE_HEADER",
    "WebhookEvent",
    "sign",
    "unwrap",
    "verify_signature",
]

SIGNATURE_HEADER: Final = "x-webhook-signature"
"""The name of the header that carries the signature."""

Body: TypeAlias = bytes | bytearray | memoryview | str
Header: TypeAlias = str | bytes | None
Secret: TypeAlias = str | bytes | Sequence[str | bytes]

_NOT_PROCESSED = frozenset({"waiting", "processing", "failed"})


class WebhookEvent:
    """A delivery whose signature holds; made by `unwrap`.

    `files` and `dedupe_keys` come from the signed part. `event`, and `feature` and `action` with
    it, do not: whoever can touch the delivery can change them, so decide by `files`.

    Python's objects are made from `raw` when they are first asked for: an application that stores
    `raw` and answers at once pays for the verification alone.
    """

    _unwrapped: _core.Unwrapped

    def __init__(self, unwrapped: _core.Unwrapped) -> None:
        self.__dict__["_unwrapped"] = unwrapped

    @property
    def raw(self) -> bytes:
        """The body as it was delivered."""
        return self._unwrapped.raw

    @cached_property
    def event(self) -> str | None:
        """What happened; None in a legacy delivery.

        One of "extraction.processed", "extraction.failed", "extraction.edited",
        "extraction.confirmed", or a word not known here.
        """
        return self._unwrapped.event()

    @property
    def feature(self) -> str | None:
        """The part of `event` before its first dot, or None."""
        return (self.event or "").partition(".")[0] or None

    @property
    def action(self) -> str | None:
        """The part of `event` behind its first dot, or None."""
        return (self.event or "").partition(".")[2] or None

    @cached_property
    def files(self) -> list[FileResult]:
        """The files, in the vendor's order."""
        return [FileResult(file) for file in self._data["result"]]

    @cached_property
    def dedupe_keys(self) -> list[str]:
        """One key for each file, the same whenever and however its state is delivered.

        64 characters: the SHA-256 over extractionId, batchId, fileId, status and a SHA-256 of
        `result`. A signature has no time in it, so a delivery can be sent again; remember the keys
        to notice. `event` is not part of a key, since it is not signed: a file that was confirmed
        without a change may have the key it had when processed.
        """
        return self._unwrapped.dedupe_keys()

    @property
    def event_consistent(self) -> bool:
        """False where `event` contradicts the signed files.

        That is: "processed" while every file is waiting, processing or failed; "failed" while
        every file is processed; `extraction` while a file names only a classification;
        `classification` while a file names only an extraction and no document type was found.
        Other events, words not known here, legacy deliveries and deliveries without files
        contradict nothing.
        """
        return _is_consistent(self.feature, self.action, self.files)

    def to_dict(self) -> dict[str, Any]:
        """Return the vendor's JSON, untouched; a bare list (legacy) as `{"result": [...]}`.

        Only its `result` is signed.
        """
        return self._data

    @cached_property
    def _data(self) -> dict[str, Any]:
        return self._unwrapped.data()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a WebhookEvent cannot be changed: {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a WebhookEvent cannot be changed: {name}")

    def __getstate__(self) -> dict[str, object]:
        return {"_unwrapped": self._unwrapped}

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, WebhookEvent) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        return f"WebhookEvent(event={self.event!r}, files={self.files!r})"


def _is_consistent(feature: str | None, action: str | None, files: list[FileResult]) -> bool:
    if not files or feature not in ("extraction", "classification"):
        return True
    for file in files:
        only_extraction = file.extraction_id is not None and file.classification_id is None
        only_classification = file.classification_id is not None and file.extraction_id is None
        if feature == "extraction" and only_classification:
            return False
        if feature == "classification" and only_extraction and "documentType" not in file.result:
            return False
    statuses = {file.status for file in files}
    if action == "processed":
        return not statuses <= _NOT_PROCESSED
    if action == "failed":
        return statuses != {"processed"}
    return True


def verify_signature(body: Body, header: Header, secret: Secret) -> bool:
    """Tell whether a webhook delivery was signed with the secret.

    The raw bytes of `result` are tried first. Where something on the way wrote the JSON anew, it
    is rebuilt exactly as Node.js writes it. Compares in constant time. Whatever came over the
    network, this does not raise: a malformed body or header is False.

    Args:
        body: the raw body of the request: `request.get_data()` in Flask, `await request.body()`
            in Starlette and FastAPI, `request.body` in Django.
        header: the value of the header `x-webhook-signature`, or None where it is missing.
        secret: the webhook secret of the vendor's dashboard, with or without its `E_AI_K_`; or
            several, of which any may match, while you change from one to the next.

    Returns:
        True where the signature holds. False otherwise, also where the header is missing.

    Raises:
        ValueError: a secret is empty, or nothing but `E_AI_K_`, or there is none.
        TypeError: `body` is parsed JSON, or an argument has another wrong type.

    Example:
        >>> body = b'{"event": "extraction.processed", "result": []}'
        >>> verify_signature(body, sign(body, "E_AI_K_secret"), "E_AI_K_secret")
        True
        >>> verify_signature(body, None, "E_AI_K_secret")
        False
    """
    return _core.verify_signature(body, header, secret)


def sign(body: Body, secret: str | bytes) -> str:
    """Return the `x-webhook-signature` with which the vendor would send this body.

    For tests of your endpoint. The signature is over `result` alone, as Node.js writes it.

    Args:
        body: the body: JSON text of an object with `result`, or of a list (legacy).
        secret: the webhook secret, with or without its `E_AI_K_`.

    Returns:
        The header's value: 44 characters of base64.

    Raises:
        ValueError: the body is not such JSON, or the secret is empty.
        TypeError: `body` is parsed JSON, or an argument has another wrong type.
    """
    return _core.sign(body, secret)


def unwrap(body: Body, header: Header, secret: Secret) -> WebhookEvent:
    """Verify a webhook delivery and return what is in it, parsed from the bytes verified.

    Args:
        body: the raw body of the request, as for `verify_signature`.
        header: the value of the header `x-webhook-signature`, or None where it is missing.
        secret: the webhook secret, or several of which any may match.

    Returns:
        The event with its files. Both generations are accepted: `{"event": ..., "result": [...]}`,
        and the legacy one without `event`, where `event` is None.

    Raises:
        SignatureVerificationError: the signature does not hold; `reason` is "missing_header",
            "not_base64", "wrong_length", "malformed_body", "no_result" or "mismatch".
        WebhookPayloadError: the signature holds, but `result` is not a list of files, or `event`
            is not a string.
        ValueError: a secret is empty, or nothing but `E_AI_K_`, or there is none.
        TypeError: `body` is parsed JSON, or an argument has another wrong type.

    Example:
        >>> body = b'{"event": "extraction.processed", "result": [{"fileId": "a"}]}'
        >>> event = unwrap(body, sign(body, "E_AI_K_secret"), "E_AI_K_secret")
        >>> event.action, event.files[0].file_id
        ('processed', 'a')
    """
    return WebhookEvent(_core.unwrap_webhook(body, header, secret))
