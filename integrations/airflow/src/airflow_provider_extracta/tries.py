"""What one try of a task tells the next: the label, and whether anything can have been uploaded."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from extracta_rs import APIConnectionError, APIError

if TYPE_CHECKING:
    from airflow.sdk import Context

UPLOAD = "/uploadFiles"
REFUSED = "extracta_refused_try"


def label_of(context: Context) -> str:
    """Return what names a task instance in each of its tries."""
    ti = context["ti"]
    return f"{ti.dag_id}.{ti.task_id}.{ti.run_id}.{ti.map_index}"


def kept_key(label: str) -> str:
    """Return the key that the state store has a label's token under: a new label knows none."""
    return f"extracta_token_{hashlib.sha256(label.encode()).hexdigest()[:16]}"


def is_first(context: Context) -> bool:
    """Return whether no earlier try can have uploaded: there was none, or it was surely refused.

    A fresh extraction shows no list of batches, so that an upload cannot be told from none. A
    refused first upload would otherwise leave a task that nobody can retry.
    """
    number = context["ti"].try_number
    if number == 1:
        return True
    kept = context.get("task_state_store")
    return kept is not None and kept.get(REFUSED) == number - 1


def note_refused(context: Context, error: APIError | APIConnectionError) -> None:
    """Keep that this try's upload was not carried out, where its error says so for certain."""
    refused = isinstance(error, APIError) or (
        isinstance(error, APIConnectionError) and not error.request_sent
    )
    kept = context.get("task_state_store")
    if kept is not None and refused and error.path == UPLOAD:
        kept.set(REFUSED, context["ti"].try_number)
