"""Every endpoint, on both faces: what is sent, and what is made of the documented answer.

`vectors/answers.json` is the witness: the requests are compared with it, and the answers are made
from it, so that the emulator's own words are not in play.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import extracta_rs
from extracta_rs import BatchRef, BatchResults
from extracta_rs.testing import Emulator, Request

CALLS = json.loads((Path(__file__).parent / "vectors/answers.json").read_text("utf-8"))["calls"]
# Ids as the vendor's look: opaque, and an option to a careless command line.
NAMES = {
    "extractionId": "-OAextraction",
    "classificationId": "-OAclassification",
    "batchId": "-OAbatch",
    "fileId": "-OAfile",
}
EXTRACTION, CLASSIFICATION, BATCH, FILE = NAMES.values()
EXTRA = {"newKey": {"of": ["the", "vendor's", None, 1.5]}}


def named(value: Any) -> Any:
    """Put the ids in the place of their names."""
    if isinstance(value, dict):
        return {named(key): named(item) for key, item in value.items()}
    if isinstance(value, list):
        return [named(item) for item in value]
    return NAMES.get(value[1:], value) if isinstance(value, str) and value[:1] == "$" else value


def documented(shape: Any, *, optional: bool = True) -> Any:
    """Make an answer of the documented shape; each object has one more key."""
    if isinstance(shape, dict):
        kept = {key: item for key, item in shape.items() if optional or not key.endswith("?")}
        made = {
            named(key.rstrip("?")): documented(item, optional=optional)
            for key, item in kept.items()
        }
        return made | EXTRA
    if isinstance(shape, list):
        return [documented(item, optional=optional) for item in shape]
    if shape.startswith("="):
        return named(shape[1:])
    return {"string": "some text", "number": 1767225600000, "boolean": True}[shape]


def how(entry: dict[str, Any]) -> tuple[str, list[Any], dict[str, Any]]:
    """Return how the client is told to make a documented request: method, arguments, keywords."""
    what, request = entry["endpoint"].split("/")[-1], named(entry.get("request", {}))
    kind = "classification" if "/" in entry["endpoint"] else "extraction"
    resource, resource_id = f"{kind}s", NAMES[f"{kind}Id"]
    details = dict(request.get(f"{kind}Details", {}))
    if "documentTypes" in details:
        details["document_types"] = details.pop("documentTypes")
    if what.startswith("create"):
        return f"{resource}.create", [details.pop("name")], details
    if what.startswith("update"):
        return f"{resource}.update", [resource_id], details
    if what.startswith("view"):
        return f"{resource}.view", [resource_id], {}
    if what in {"getBatchResults", "getResults"}:
        more = {"file_id": request["fileId"]} if "fileId" in request else {}
        return f"{resource}.results", [resource_id, BATCH], more
    if what == "uploadFiles":
        more = {"batch_id": BATCH} if "batchId" in entry["parts"] else {}
        files = [(name, name.encode()) for name in entry["files"]]
        return f"{resource}.upload", [resource_id, files], more
    if "fileId" in request or "fileIds" in request:
        return f"{resource}.delete_files", [resource_id, BATCH, [FILE]], {}
    if "batchId" in request:
        return f"{resource}.delete_batch", [resource_id, BATCH], {}
    return ("credits", [], {}) if what == "credits" else (f"{resource}.delete", [resource_id], {})


@pytest.fixture
def call(face: Any, extracta_emulator: Emulator) -> Callable[..., tuple[Any, Any, Request]]:
    """Make a documented request; return what came back, the answer, and the request."""

    def call(entry: dict[str, Any], *, optional: bool = True) -> tuple[Any, Any, Request]:
        answer = documented(entry["answer"], optional=optional)
        extracta_emulator.faults.add(entry["endpoint"], status=200, body=json.dumps(answer))
        method, arguments, keywords = how(entry)
        returned = face(method, *arguments, **keywords)
        (request,) = extracta_emulator.requests()
        return returned, answer, request

    return call


def entries(*endpoints: str) -> pytest.MarkDecorator:
    chosen = [entry for entry in CALLS if entry["endpoint"].split("/")[-1] in endpoints]
    assert chosen
    ids = [f"{entry['endpoint']}-{CALLS.index(entry)}" for entry in chosen]
    return pytest.mark.parametrize("entry", chosen, ids=ids)


everything = entries(*{entry["endpoint"].split("/")[-1] for entry in CALLS})


def test_the_witness_knows_all_endpoints() -> None:
    assert len({entry["endpoint"] for entry in CALLS}) == 15


@everything
def test_the_request_is_the_documented_one(entry: dict[str, Any], call: Any) -> None:
    _, _, request = call(entry)
    assert (request.method, request.path) == (entry["method"], "/" + entry["endpoint"])
    assert request.header("authorization") == "Bearer test-key"
    agent = f"extracta_rs/{extracta_rs.__version__} python/{platform.python_version()}"
    assert request.header("user-agent").startswith(f"{agent} ")
    content_type = request.header("content-type")
    if "parts" in entry:
        assert content_type is not None
        assert content_type.startswith("multipart/form-data; boundary=")
        expected = [(key, None, None, text) for key, text in named(entry["parts"]).items()]
        expected += [("files", name, "application/pdf", name) for name in entry["files"]]
        assert [(p.name, p.file_name, p.content_type, p.sha256) for p in request.parts] == [
            (*head, hashlib.sha256(text.encode()).hexdigest()) for *head, text in expected
        ]
    elif "request" in entry:
        assert content_type == "application/json"
        assert request.json() == named(entry["request"])
    else:
        assert (content_type, request.body) == (None, b"")


@entries("createExtraction", "createClassification")
def test_create_returns_the_template(entry: dict[str, Any], call: Any) -> None:
    made, answer, _ = call(entry)
    details = named(next(iter(entry["request"].values())))
    assert (made.name, made.description) == (details["name"], details["description"])
    if hasattr(made, "extraction_id"):
        assert made.extraction_id == answer["extractionId"]
        assert (made.language, made.options) == (details["language"], details["options"])
        assert made.fields == details["fields"]
    else:
        assert made.classification_id == answer["classificationId"]
        assert made.document_types == details["documentTypes"]
    assert (made.status, made.created_at, made.updated_at) == ("some text", 1767225600000, None)
    assert made.batches == {}
    assert made.to_dict() == answer


@pytest.mark.parametrize("optional", [True, False])
@entries("viewExtraction", "viewClassification")
def test_view_shows_the_template(entry: dict[str, Any], optional: bool, call: Any) -> None:
    shown, answer, _ = call(entry, optional=optional)
    details = answer.get("extractionDetails") or answer["classificationDetails"]
    assert shown.name == details["name"]
    assert shown.description == details["description"]
    if hasattr(shown, "extraction_id"):
        assert shown.extraction_id == EXTRACTION
        assert (shown.language, shown.options) == ("English", details["options"])
        assert shown.fields == details["fields"]
        assert shown.batches == (
            {BATCH: {"status": "some text"} | EXTRA} | EXTRA if optional else {}
        )
        assert shown.status == ("some text" if optional else None)
    else:
        assert shown.classification_id == CLASSIFICATION
        assert shown.document_types == details["documentTypes"]
        assert shown.status == "some text"
    assert shown.to_dict() == answer


@entries("updateExtraction", "updateClassification")
def test_update_returns_what_was_changed(entry: dict[str, Any], call: Any) -> None:
    changed, answer, _ = call(entry)
    details = next(value for key, value in entry["request"].items() if key.endswith("Details"))
    known = {key: getattr(changed, key) for key in ("name", "description")}
    assert {key: value for key, value in known.items() if value is not None} == details
    assert (changed.status, changed.updated_at) == ("some text", 1767225600000)
    assert changed.created_at is None
    assert changed.to_dict() == answer


@entries("uploadFiles")
def test_upload_returns_the_batch(entry: dict[str, Any], call: Any) -> None:
    batch, answer, _ = call(entry)
    ids = (batch.extraction_id, batch.classification_id)
    assert ids == ((None, CLASSIFICATION) if "/" in entry["endpoint"] else (EXTRACTION, None))
    assert batch.batch_id == answer["batchId"]
    (file,) = batch.files
    assert (file.file_id, file.url) == ("some text", "some text")
    assert file.file_name == answer["files"][0]["fileName"]
    assert file.to_dict() == answer["files"][0]
    assert file.to_dict()["newKey"] == EXTRA["newKey"]


@pytest.mark.parametrize("optional", [True, False])
@entries("getBatchResults", "getResults")
def test_results_are_read(entry: dict[str, Any], optional: bool, call: Any) -> None:
    shape = entry["answer"]
    if "files" in shape:
        # The type alone is documented; a word that nobody knows would hold the batch open.
        shape = {"status?" if "status?" in shape else "status": "=finished"} | {
            key: item for key, item in shape.items() if not key.startswith("status")
        }
    results, answer, _ = call(entry | {"answer": shape}, optional=optional)
    assert isinstance(results, BatchResults)
    kind = "classification" if "/" in entry["endpoint"] else "extraction"
    assert results.batch == BatchRef(**{f"{kind}_id": NAMES[f"{kind}Id"]}, batch_id=BATCH)
    assert (results.extraction_id, results.classification_id) == (
        results.batch.extraction_id,
        results.batch.classification_id,
    )
    assert results.batch_id == BATCH
    assert results.status == answer.get("status")
    assert results.to_dict() == answer
    assert results.finished == ("files" in answer)
    for file, data in zip(results, answer.get("files", []), strict=True):
        assert (file.file_id, file.file_name) == (data["fileId"], data["fileName"])
        assert (file.status, file.result, file.url) == ("processed", data["result"], data["url"])
        linked = BatchRef(extraction_id=EXTRACTION, batch_id="some text", file_id="some text")
        assert file.extraction == (linked if "extraction" in data else None)
        assert file.error is None
        assert file.to_dict() == data
    assert results.processed == results.files
    assert results.failed == []
    assert len(results) == len(answer.get("files", []))


@entries("deleteExtraction", "deleteClassification", "deleteBatch", "deleteFiles")
def test_delete_returns_nothing(entry: dict[str, Any], call: Any) -> None:
    assert call(entry)[0] is None


@entries("credits")
@pytest.mark.parametrize("number", ["1767225600000", "12.0", "0", "-3"])
def test_credits_are_a_whole_number(
    entry: dict[str, Any], number: str, face: Any, extracta_emulator: Emulator
) -> None:
    body = f'{{"status": "success", "credits": {number}}}'
    extracta_emulator.faults.add("credits", body=body)
    credit = face("credits")
    assert (credit, type(credit)) == (int(float(number)), int)
