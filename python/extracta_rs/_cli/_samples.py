"""The sample documents that come with the package, and what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent / "samples"


def documents() -> dict[str, dict[str, Any]]:
    """Return what each sample document says, by its file name."""
    said: dict[str, dict[str, Any]] = json.loads(
        (SAMPLES / "documents.json").read_text(encoding="utf-8")
    )
    return said
