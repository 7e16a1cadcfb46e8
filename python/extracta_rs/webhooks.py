"""Checks and opens the webhooks that Extracta.ai sends; needs no client and no network.

The vendor's documentation (docs.extracta.ai) says what is signed: the header
`x-webhook-signature` is the base64 of HMAC-SHA256 over `JSON.stringify(body.result)`, with the
webhook secret less its `E_AI_K_` as the key. From this it follows that `event` is not signed, that
there is no time in it, and that the raw body of the request is needed, not its parsed JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from . import _core
from .models import FileResult

__all__ = [
    "SIGNATURE_HEADER",
    "SignatureReason",
    "SignatureReport",
    "WebhookEvent",
    "explain_signature",
    "sign",
    "unwrap",
    "verify_signature",
]

SIGNATURE_HEADER: Final = "x-webhook-signature"
"""The name of the header that carries the signature."""

Body: TypeAlias = bytes | bytearray | memoryview | str
Header: TypeAlias = str | bytes | None
Secret: TypeAlias = str | bytes | Sequence[str | bytes]

SignatureReason: TypeAlias = Literal[
    "valid",
    "missing_header",
    "not_base64",
    "wrong_length",
    "empty_body",
    "malformed_body",
    "no_result",
    "mismatch",
    "hex_signature",
    "base64_variant",
    "dressed_header",
    "prefix_kept",
    "secret_not_stripped",
    "signer_secret_not_stripped",
    "whole_body_signed",
    "decoded_as_latin1",
    "encoded_as_latin1",
    "encoded_as_utf16",
    "byte_order_mark",
    "python_bytes",
    "python_dict",
    "json_twice",
    "wrapped_body",
    "base64_body",
    "looks_hex",
    "looks_compressed",
    "looks_python_dict",
    "looks_replaced",
    "looks_wrong_charset",
    "looks_sorted",
]
"""What `SignatureReport.reason` may be; `docs/explain.md` says what to do about each."""

_NOT_PROCESSED = frozenset({"waiting", "processing", "failed"})


class WebhookEvent:
    """A delivery whose signature holds; made by `unwrap`.

    `files` and `dedupe_keys` come from the signed part. `event`, and `feature` and `action` with
    it, do not: whoever can touch the delivery can change them, so decide by `files`.

    Its objects are made when it is unwrapped: to store a body and answer at once,
    `verify_signature` is enough.
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

    @property
    def files(self) -> list[FileResult]:
        """The files, in the vendor's order."""
        return self._unwrapped.files()

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
        """Return the vendor's JSON; a bare list (legacy) as `{"result": [...]}`.

        Its `result` is as it was signed, whatever the body's spelling; nothing else is signed.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """What is right or wrong with a signature. Holds no secret and no expected signature.

    Attributes:
        valid: what `verify_signature` returns.
        matched: "raw" where the signature holds for the bytes of the body, "canonical" where it
            holds once they are rebuilt as Node.js writes them, None where it does not hold.
        secret_index: which of the secrets made the signature, counted from 0. Also known where a
            mistake was proved; otherwise None.
        reason: one of

            - "valid": the signature holds;
            - certain: "missing_header", "not_base64", "wrong_length" (the header is not base64 of
              32 bytes), "empty_body", "malformed_body" (it is not JSON), "no_result";
            - proved, for with the mistake undone the signature holds. The signer made these:
              "hex_signature" (instead of base64), "base64_variant" (url-safe or without `=`),
              "prefix_kept" (the key has the secret's `E_AI_K_`), "signer_secret_not_stripped"
              (white space behind it), "whole_body_signed" (instead of `result`). The receiver
              made these: "dressed_header" (quotes or the like around it), "secret_not_stripped"
              (white space or quotes around it), "decoded_as_latin1", "encoded_as_latin1",
              "encoded_as_utf16", "byte_order_mark", "python_bytes" and "python_dict" (the `str`
              of bytes or of a dict), "json_twice" (JSON within a JSON string), "wrapped_body"
              (the delivery is inside other JSON), "base64_body";
            - only likely: "looks_hex", "looks_compressed", "looks_python_dict", "looks_replaced"
              (U+FFFD in the place of characters), "looks_wrong_charset", "looks_sorted" (keys);
            - "mismatch": none of these: another secret, or the body was changed.
        hint: what is wrong and what to do, in English sentences. They may be improved: compare
            `reason`. Where two mistakes were proved, both are told; `reason` is the first.
    """

    valid: bool
    matched: Literal["raw", "canonical"] | None
    secret_index: int | None
    reason: SignatureReason
    hint: str


def explain_signature(body: Body, header: Header, secret: Secret) -> SignatureReport:
    """Tell what is wrong with a signature, by undoing the usual mistakes.

    For the developer, not for whoever sent the request: do not answer a request with it. It takes
    some ten times as long as `verify_signature`, and how long tells which mistake it was.

    Args:
        body: the body of the request, in the form that was passed to `verify_signature`.
        header: the value of the header `x-webhook-signature`, or None where it is missing.
        secret: the webhook secret, or several of which any may match.

    Returns:
        The report. Whatever came over the network, there is one.

    Raises:
        ValueError: a secret is empty, or nothing but `E_AI_K_`, or there is none.
        TypeError: `body` is parsed JSON, or an argument has another wrong type.

    Example:
        >>> body = b'{"event": "extraction.processed", "result": []}'
        >>> header = sign(body, "E_AI_K_secret")
        >>> explain_signature(b"\\xef\\xbb\\xbf" + body, header, "E_AI_K_secret").reason
        'byte_order_mark'
    """
    matched, secret_index, reason, hint = _core.explain_signature(body, header, secret)
    return SignatureReport(
        valid=matched is not None,
        matched=matched,
        secret_index=secret_index,
        reason=reason,
        hint=hint,
    )


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
