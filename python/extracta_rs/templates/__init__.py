"""Ready extraction templates, to create an extraction with or to start your own from.

```python
from extracta_rs import Client, templates

with Client() as client:
    extraction = client.extractions.create(**templates.load("invoice"))
```
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypedDict

__all__ = ["Template", "load", "names"]

_FOLDER = Path(__file__).parent


class Template(TypedDict):
    """The arguments of `client.extractions.create`; a plain dict, yours to change."""

    name: str
    description: str
    language: str
    options: dict[str, Any]
    fields: list[dict[str, Any]]


def names() -> list[str]:
    """Return the names of the built-in templates, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def load(name: str) -> Template:
    """Return a fresh copy of a built-in template.

    Args:
        name: one of `names()`, such as "invoice".

    Returns:
        The template, in the vendor's shape; changing it changes nothing here.

    Raises:
        ValueError: there is no template of this name; the message lists those there are.
    """
    known = names()
    if name not in known:
        raise ValueError(f"no template is named {name!r}; there are: {', '.join(known)}")
    template: Template = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return template
