"""A user's mistakes are told of before anything is sent, in words that name them."""

from __future__ import annotations

from typing import Any

import pytest

from extracta_rs import BatchRef
from extracta_rs.testing import Emulator

FIELD = {"key": "total"}


@pytest.mark.parametrize(
    ("wait", "error", "text"),
    [
        ({"timeout": -1}, ValueError, "timeout"),
        ({"poll_interval": float("nan")}, ValueError, "poll_interval"),
        ({"poll_interval": 2, "max_poll_interval": 1}, ValueError, "max_poll_interval"),
        ({"backoff": 0.5}, ValueError, "backoff"),
        ({"on_progress": 5}, TypeError, "on_progress must be callable, not int"),
    ],
)
def test_run_uploads_nothing_if_its_wait_cannot_be(
    wait: dict[str, Any],
    error: type[Exception],
    text: str,
    face: Any,
    extraction_id: str,
    extracta_emulator: Emulator,
) -> None:
    with pytest.raises(error, match=text):
        face("extractions.run", extraction_id, ("a.pdf", b"a"), **wait)
    assert not any(r.endpoint == "uploadFiles" for r in extracta_emulator.requests())


@pytest.mark.parametrize(
    ("template", "error", "text"),
    [
        ({"name": " ", "fields": [FIELD]}, ValueError, "name must be a text"),
        ({"name": None, "fields": [FIELD]}, ValueError, "name must be a text"),
        ({"name": "n", "fields": []}, ValueError, "fields is empty"),
        ({"name": "n", "fields": "total"}, TypeError, "fields must be a list of mappings"),
        ({"name": "n", "fields": FIELD}, TypeError, "not one mapping"),
        ({"name": "n", "fields": [{"key": object()}]}, TypeError, "not JSON serializable"),
        ({"name": "n", "fields": [{"key": float("nan")}]}, ValueError, "not JSON compliant"),
    ],
)
def test_templates_are_checked(
    template: dict[str, Any],
    error: type[Exception],
    text: str,
    face: Any,
    extracta_emulator: Emulator,
) -> None:
    with pytest.raises(error, match=text):
        face("extractions.create", **template)
    assert not extracta_emulator.requests()


def test_a_batch_of_the_other_kind_is_pointed_out(face: Any) -> None:
    other = BatchRef(extraction_id="-OAe", batch_id="-OAb")
    with pytest.raises(ValueError, match=r"client\.extractions"):
        face("classifications.wait_many", [other])
