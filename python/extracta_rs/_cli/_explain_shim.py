from __future__ import annotations

from dataclasses import dataclass

from .. import SignatureVerificationError, WebhookPayloadError, unwrap


@dataclass(frozen=True)
class SignatureReport:
    valid: bool
    matched: str | None
    secret_index: int | None
    reason: str
    hint: str


def explain_signature(body: bytes, header: str | None, secret: list[str]) -> SignatureReport:
    try:
        unwrap(body, header, secret)
    except SignatureVerificationError as error:
        return SignatureReport(False, None, None, error.reason, str(error))
    except WebhookPayloadError:
        pass
    return SignatureReport(True, "raw", 0, "ok", "")
