"""Deliveries as the service makes them: for `extracta-rs trigger`, and for tests of receivers."""

from __future__ import annotations

import base64
import hashlib
import json

from . import _core
from .webhooks import SIGNATURE_HEADER


def encode(body: object) -> bytes:
    """Return JSON as the service writes it: as `JSON.stringify` does.

    Raises:
        TypeError: something in it is not JSON.
        ValueError: a number is not finite, or something contains itself.
    """
    text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Half of a surrogate pair has no UTF-8; JSON.stringify escapes it just so.
    return _core.stringify(text.encode("utf-8", "backslashreplace"))


def identify(seed: str, what: str) -> str:
    """Return an id that looks like the service's and follows from the two."""
    digest = hashlib.sha256(f"{seed}/{what}".encode("utf-8", "surrogatepass")).digest()
    return "-O" + base64.urlsafe_b64encode(digest)[:18].decode()


def headers_of(signature: str) -> dict[str, str]:
    """Return the headers that a delivery with this signature comes with."""
    return {"Content-Type": "application/json", SIGNATURE_HEADER: signature}
