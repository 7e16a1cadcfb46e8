"""What the clients make of arguments, and the functions over the environment's client."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import extracta_rs
from extracta_rs import Client, ConfigurationError
from extracta_rs.testing import Emulator

FIELDS = [{"key": "total"}]
TYPES = [{"name": "invoice", "uniqueWords": ["due"]}]
both_kinds = pytest.mark.parametrize("resource", ["extractions", "classifications"])


def test_create_sends_only_what_is_given(face: Any, extracta_emulator: Emulator) -> None:
    face("extractions.create", "Bills", fields=iter(FIELDS))
    face("classifications.create", "Inbox", document_types=iter(TYPES))
    assert [request.json() for request in extracta_emulator.requests()] == [
        {"extractionDetails": {"name": "Bills", "language": "English", "fields": FIELDS}},
        {"classificationDetails": {"name": "Inbox", "documentTypes": TYPES}},
    ]


def test_a_template_arrives_as_it_was_written(face: Any, extracta_emulator: Emulator) -> None:
    fields = [{"key": "größe 🧾", "description": 'a "quoted"\n\\ text\u2028', "example": "1\x7f"}]
    options = {"hasTable": True, "from": 1, "to": 2**53, "new": [None, 0.1, -0.0, {"a": {}}]}
    made = face("extractions.create", "Ωmega", fields=fields, options=options)
    (request,) = extracta_emulator.requests()
    sent = request.json()["extractionDetails"]
    assert (sent["name"], sent["fields"], sent["options"]) == ("Ωmega", fields, options)
    assert (made.name, made.fields, made.options) == ("Ωmega", fields, options)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), object(), {1, 2}, b"bytes"])
def test_a_template_that_json_cannot_hold(
    bad: object, face: Any, extracta_emulator: Emulator
) -> None:
    with pytest.raises((TypeError, ValueError)):
        face("extractions.create", "Bills", fields=[{"key": bad}])
    assert extracta_emulator.requests() == []


def test_update_sends_only_what_is_given(
    face: Any, extraction_id: str, extracta_emulator: Emulator
) -> None:
    for changes in [{"name": "B"}, {"language": "Romanian"}, {"options": {}}, {"fields": FIELDS}]:
        changed = face("extractions.update", extraction_id, **changes)
        sent = extracta_emulator.requests()[-1].json()
        assert sent == {"extractionId": extraction_id, "extractionDetails": changes}
        known = {key: getattr(changed, key) for key in ("name", "language", "options", "fields")}
        assert {key: value for key, value in known.items() if value is not None} == changes


@both_kinds
def test_update_with_nothing_is_refused(
    resource: str, face: Any, extracta_emulator: Emulator
) -> None:
    with pytest.raises(ValueError, match=r"nothing to change: pass name, .*description"):
        face(f"{resource}.update", "-x")
    assert extracta_emulator.requests() == []


def test_empty_lists_are_refused(face: Any, extracta_emulator: Emulator) -> None:
    with pytest.raises(ValueError, match="fields is empty"):
        face("extractions.create", "Bills", fields=[])
    with pytest.raises(ValueError, match="document_types is empty"):
        face("classifications.create", "Inbox", document_types=iter([]))
    with pytest.raises(ValueError, match="fields is empty"):
        face("extractions.update", "-x", fields=[])
    assert extracta_emulator.requests() == []


@pytest.mark.extracta_emulator(polls_until_finished=1)
def test_delete_files_of_an_extraction_is_a_request_for_each(
    face: Any, extraction_id: str, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    uploaded = extracta_client.extractions.upload(extraction_id, [(f"{n}", b"x") for n in range(3)])
    file_ids = [file.file_id for file in uploaded.files]
    face("extractions.delete_files", extraction_id, uploaded.batch_id, iter(file_ids[:2]))
    face("extractions.delete_files", extraction_id, uploaded.batch_id, file_ids[2])
    requests = [r for r in extracta_emulator.requests() if r.method == "DELETE"]
    batch = {"extractionId": extraction_id, "batchId": uploaded.batch_id}
    assert [request.json() for request in requests] == [{**batch, "fileId": f} for f in file_ids]
    assert {request.path for request in requests} == {"/deleteExtraction"}


def test_delete_files_of_a_classification_is_one_request(
    face: Any, extracta_client: Client, extracta_emulator: Emulator
) -> None:
    inbox = extracta_client.classifications.create("Inbox", document_types=TYPES).classification_id
    uploaded = extracta_client.classifications.upload(inbox, [(f"{n}", b"x") for n in range(3)])
    file_ids = [file.file_id for file in uploaded.files]
    face("classifications.delete_files", inbox, uploaded.batch_id, iter(file_ids))
    (request,) = [r for r in extracta_emulator.requests() if r.method == "DELETE"]
    batch = {"classificationId": inbox, "batchId": uploaded.batch_id}
    assert request.json() == {**batch, "fileIds": file_ids}


@both_kinds
@pytest.mark.parametrize("file_ids", [[], "", [""], ["-a", " "], iter(())])
def test_delete_files_without_a_file_deletes_nothing(
    file_ids: Any, resource: str, face: Any, extracta_emulator: Emulator
) -> None:
    # An empty fileId would delete the whole batch.
    with pytest.raises(ValueError, match="file_ids"):
        face(f"{resource}.delete_files", "-x", "-b", file_ids)
    assert extracta_emulator.requests() == []


@both_kinds
@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_empty_ids_are_refused(
    empty: str, resource: str, face: Any, extracta_emulator: Emulator
) -> None:
    # An empty batchId would delete the whole extraction.
    calls: list[tuple[Any, ...]] = [
        ("view", empty),
        ("delete", empty),
        ("delete_batch", "-x", empty),
        ("delete_batch", empty, "-b"),
        ("delete_files", "-x", empty, ["-f"]),
        ("delete_files", empty, "-b", ["-f"]),
        ("results", "-x", empty),
        ("results", empty, "-b"),
        ("wait", "-x", empty),
        ("upload", empty, ("a", b"a")),
    ]
    for verb, *arguments in calls:
        with pytest.raises(ValueError, match="Id is empty"):
            face(f"{resource}.{verb}", *arguments)
    with pytest.raises(ValueError, match="file_id is empty"):
        face(f"{resource}.results", "-x", "-b", file_id=empty)
    with pytest.raises(ValueError, match="batch_id is empty"):
        face(f"{resource}.upload", "-x", ("a", b"a"), batch_id=empty)
    assert extracta_emulator.requests() == []


@both_kinds
@pytest.mark.parametrize("wrong", [None, 5, b"-x"])
def test_ids_are_text(wrong: Any, resource: str, face: Any, extracta_emulator: Emulator) -> None:
    for verb, *arguments in [("view", wrong), ("delete", wrong), ("delete_batch", "-x", wrong)]:
        with pytest.raises(TypeError, match=f"an id must be a str, not {type(wrong).__name__}"):
            face(f"{resource}.{verb}", *arguments)
    assert extracta_emulator.requests() == []


def test_what_has_an_id_is_not_taken_for_it(face: Any, extracta_emulator: Emulator) -> None:
    made = face("extractions.create", "Bills", fields=FIELDS)
    batch = face("extractions.upload", made.extraction_id, ("a.pdf", b"%PDF"))
    before = len(extracta_emulator.requests())
    with pytest.raises(TypeError, match="not Extraction: pass its extraction_id"):
        face("extractions.upload", made, ("a.pdf", b"%PDF"))
    kind = type(batch).__name__
    with pytest.raises(TypeError, match=f"not {kind}: pass its extraction_id or batch_id"):
        face("extractions.results", made.extraction_id, batch)
    assert len(extracta_emulator.requests()) == before


@pytest.fixture
def environment(extracta_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    monkeypatch.setenv("EXTRACTA_API_KEY", extracta_emulator.api_key)
    monkeypatch.setenv("EXTRACTA_BASE_URL", extracta_emulator.base_url)
    return extracta_emulator


def module_call(kind: str, name: str, *arguments: Any, **keywords: Any) -> Any:
    if kind == "blocking":
        return getattr(extracta_rs, name)(*arguments, **keywords)
    return asyncio.run(getattr(extracta_rs, f"{name}_async")(*arguments, **keywords))


def test_module_functions_use_the_environment(
    kind: str, environment: Emulator, extraction_id: str
) -> None:
    told: list[Any] = []
    batch = module_call(
        kind,
        "upload_files",
        extraction_id,
        ("a.pdf", b"%PDF"),
        on_progress=lambda sent, total: told.append((sent, total)),
    )
    assert told[-1][0] == told[-1][1]
    done = module_call(
        kind, "poll_batch", extraction_id, batch.batch_id, poll_interval=0, on_progress=told.append
    )
    assert told[-1] == done
    file_id = batch.files[0].file_id
    one = module_call(kind, "get_batch_results", extraction_id, batch.batch_id, file_id=file_id)
    assert [file.file_id for file in done] == [file.file_id for file in one] == [file_id]
    more = module_call(
        kind, "upload_files", extraction_id, ("b.pdf", b"%PDF"), batch_id=batch.batch_id
    )
    assert more.batch_id == batch.batch_id
    assert {r.header("authorization") for r in environment.requests()} == {"Bearer test-key"}


def test_a_changed_environment_is_noticed(
    kind: str, environment: Emulator, extraction_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(api_key="another") as other:
        monkeypatch.setenv("EXTRACTA_API_KEY", other.api_key)
        monkeypatch.setenv("EXTRACTA_BASE_URL", other.base_url)
        with pytest.raises(extracta_rs.NotFoundError):
            module_call(kind, "get_batch_results", extraction_id, "-b")
        (request,) = other.requests()
        assert request.header("authorization") == "Bearer another"


def test_without_a_key_the_environment_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EXTRACTA_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="EXTRACTA_API_KEY"):
        module_call(kind, "get_batch_results", "-x", "-b")
