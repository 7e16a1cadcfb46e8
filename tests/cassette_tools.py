"""What the tests of cassettes share: clients of one, and a session with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conftest import FIELDS, Face

if TYPE_CHECKING:
    from extracta_rs.testing import Cassette

QUICK: dict[str, Any] = {"poll_interval": 0.01}
KEY = "sk-live-0123456789"


def connect(tape: Cassette, kind: str = "blocking", **settings: Any) -> Face:
    """Build a client of either kind."""
    if tape.mode == "record":
        settings = {"api_key": KEY, "min_poll_spacing": 0, **settings}
    build = tape.client if kind == "blocking" else tape.async_client
    return Face(kind, build(**settings))


def session_of_one(
    face: Face, content: bytes = b"%PDF", name: str = "a.pdf", **options: Any
) -> Any:
    """Create, upload, wait; return the results."""
    created = face("extractions.create", "Invoices", fields=FIELDS)
    results = face("extractions.run", created.extraction_id, (name, content), **QUICK, **options)
    face.client.close()
    return results
