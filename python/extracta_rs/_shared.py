"""What both faces share: arguments in the binding's form. Settings are in `_base`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import _core
from .models import BatchRef

if TYPE_CHECKING:
    from collections.abc import Iterable

Seconds = float | timedelta
WaitOptions = tuple[float | None, float, float, float]


SECRET_VARIABLE = "EXTRACTA_WEBHOOK_SECRET"  # noqa: S105  the variable's name


def environment_secrets() -> list[str]:
    """Return the webhook secrets of the environment; empty where there are none.

    `EXTRACTA_WEBHOOK_SECRET` holds one, or several separated by white space while it is changed.
    One alone is taken with the white space around it, as a program takes it that reads the
    variable.
    """
    value = os.environ.get(SECRET_VARIABLE, "")
    words = value.split()
    return words if len(words) != 1 else [value]


def seconds(value: Seconds) -> float:
    """Return a duration in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def wait_options(
    timeout: Seconds | None, poll_interval: Seconds, max_poll_interval: Seconds, backoff: float
) -> WaitOptions:
    """Return the options of a wait as the binding takes them."""
    return (
        None if timeout is None else seconds(timeout),
        seconds(poll_interval),
        seconds(max_poll_interval),
        backoff,
    )


def given(**details: object) -> dict[str, Any]:
    """Return the details that were given: None means "leave it as it is"."""
    return {key: value for key, value in details.items() if value is not None}


def changes(**details: object) -> dict[str, Any]:
    """Return the details to change, of which there must be some."""
    changed = given(**details)
    if not changed:
        raise ValueError("nothing to change: pass " + ", ".join(details))
    return changed


def field_list(fields: Iterable[Mapping[str, object]] | type[Any]) -> list[dict[str, object]]:
    """Return the fields of a template, which may be given as a type."""
    if isinstance(fields, type):
        from ._schemas import fields_from

        return fields_from(fields)
    return several("fields", fields)


def check_model(model: type[Any] | None) -> None:
    """Refuse a type that results cannot be read as, before anything is uploaded and paid."""
    if model is not None:
        from ._schemas import record_of

        record_of(model)


def several(what: str, items: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """Return a template's list, which must not be empty, as plain dicts."""
    listed = [items] if isinstance(items, Mapping) else list(items)
    if not listed:
        raise ValueError(f"{what} is empty: the service needs at least one")
    wrong = next((item for item in listed if not isinstance(item, Mapping)), None)
    if wrong is not None or isinstance(items, Mapping):
        found = "one mapping" if isinstance(items, Mapping) else f"a {type(wrong).__name__} in it"
        raise TypeError(f"{what} must be a list of mappings, not {found}")
    return [dict(item) for item in listed]


def template_name(name: str) -> str:
    """Return a template's name, which must be there."""
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"name must be a text that is not empty, not {name!r}")
    return name


def id_list(file_ids: str | Iterable[str]) -> list[str]:
    """Return one or several ids as a list."""
    return [file_ids] if isinstance(file_ids, str) else list(file_ids)


def name_batches(kind: str, batches: Iterable[BatchRef | str]) -> list[tuple[str, str, str]]:
    """Return batches or tokens as the binding takes them; all must be of one kind."""
    named = [
        _core.read_batch_token(batch) if isinstance(batch, str) else batch._name()
        for batch in batches
    ]
    wrong = next((name for name in named if name[0] != kind), None)
    if wrong is not None:
        owner = "an extraction" if wrong[0] == "extraction" else "a classification"
        raise ValueError(f"batch {wrong[2]} belongs to {owner}: wait on it with client.{wrong[0]}s")
    return named
