"""Both faces have the same names, signatures and words; everything public is documented."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import extracta_rs
from extracta_rs import (
    _async,
    _base,
    _default,
    _observe,
    _options,
    _shared,
    _sync,
    exceptions,
    models,
    testing,
    webhooks,
)

PAIRS = [
    (_sync.Client, _async.AsyncClient),
    (_sync.Extractions, _async.AsyncExtractions),
    (_sync.Classifications, _async.AsyncClassifications),
    (_sync.Batch, _async.AsyncBatch),
]
# What differs: closing has a word of its own on asyncio, and the protocols have theirs.
ONLY_ASYNC = {"AsyncClient": {"aclose"}}
NOT_AWAITED = {
    "resume", "wait_many", "run_many", "deliver", "close", "token", "verify_signature", "unwrap",
    "explain_signature", "with_options", "stats",
}  # fmt: skip
ON_LOOP = " | AsyncIterable[BatchRef | str]"
FUNCTIONS = ["upload_files", "get_batch_results", "poll_batch", "submit", "check", "fetch"]
pairs = pytest.mark.parametrize(("blocking", "twin"), PAIRS, ids=lambda face: face.__name__)


def public(face: type) -> dict[str, Any]:
    names = [name for name in dir(face) if not name.startswith("_")]
    return {name: inspect.getattr_static(face, name) for name in names}


def signature(function: Callable[..., Any]) -> list[tuple[str, Any, Any, str]]:
    parameters = inspect.signature(function).parameters.values()
    annotation = {p.name: str(p.annotation) for p in parameters}
    # Only asyncio can iterate over what comes on its loop.
    annotation = {name: text.removesuffix(ON_LOOP) for name, text in annotation.items()}
    return [(p.name, p.kind, p.default, annotation[p.name]) for p in parameters]


def returned(function: Callable[..., Any]) -> str:
    """Return the annotation of the result in the blocking face's words."""
    text = str(inspect.signature(function).return_annotation)
    return re.sub(r"\bAsync(?=[A-Z])", "", text)


@pairs
def test_the_same_names(blocking: type, twin: type) -> None:
    assert set(public(twin)) - set(public(blocking)) == ONLY_ASYNC.get(twin.__name__, set())
    assert set(public(blocking)) - set(public(twin)) == set()
    assert twin.__name__ == f"Async{blocking.__name__}"


@pairs
def test_the_same_signatures_and_results(blocking: type, twin: type) -> None:
    for name, member in public(blocking).items():
        other = public(twin)[name]
        assert type(member) is type(other), name
        if isinstance(member, property):
            member, other = member.fget, other.fget
        if not callable(member) or not callable(other):
            continue
        assert signature(member) == signature(other), name
        assert returned(member) == returned(other), name


@pairs
def test_asyncio_awaits_what_the_other_blocks_on(blocking: type, twin: type) -> None:
    for name, member in public(blocking).items():
        if not inspect.isfunction(member):
            continue
        other = public(twin)[name]
        assert not inspect.iscoroutinefunction(member)
        assert inspect.iscoroutinefunction(other) == (name not in NOT_AWAITED), name


@pairs
def test_the_same_fields(blocking: type, twin: type) -> None:
    if dataclasses.is_dataclass(blocking):
        assert dataclasses.is_dataclass(twin)
        found = [
            [(f.name, f.repr, f.compare, f.kw_only) for f in dataclasses.fields(face)]
            for face in (blocking, twin)
        ]
        assert found[0] == found[1]


def test_the_constructors_are_the_same() -> None:
    assert signature(_sync.Client.__init__) == signature(_async.AsyncClient.__init__)
    parameters = inspect.signature(_sync.Client).parameters
    assert [(p.name, p.default) for p in parameters.values()] == [
        ("api_key", None),
        ("base_url", None),
        ("timeout", 60.0),
        ("connect_timeout", 10.0),
        ("max_retries", 2),
        ("min_poll_spacing", 2.0),
        ("limiter", None),
        ("max_connections", 100),
        ("proxy", None),
        ("ca_bundle", None),
        ("user_agent", None),
        ("allow_insecure_http", False),
        ("webhook_secret", None),
        ("headers", None),
        ("on_request", None),
        ("on_response", None),
    ]
    kinds = [p.kind for p in parameters.values()]
    assert kinds[0] is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert set(kinds[1:]) == {inspect.Parameter.KEYWORD_ONLY}


def test_both_kinds_of_resource_have_the_same_verbs() -> None:
    verbs = set(public(_sync.Extractions))
    assert verbs == set(public(_sync.Classifications))
    assert {
        *("create", "view", "update", "delete", "delete_batch", "delete_files"),
        *("upload", "submit", "results", "wait", "wait_many", "run", "run_many"),
    } <= verbs
    for verb in verbs - {"create", "update"}:
        ours = [
            name.replace("classification", "extraction")
            for name, *_ in signature(getattr(_sync.Classifications, verb))
        ]
        # Only extractions have results that a type of the user's own can say.
        theirs = [name for name, *_ in signature(getattr(_sync.Extractions, verb))]
        assert ours == [name for name in theirs if name != "parse"], verb


@pytest.mark.parametrize("face", [face for pair in PAIRS for face in pair])
def test_only_ids_and_what_they_are_about_are_positional(face: type) -> None:
    positional = {
        *("self", "extraction_id", "classification_id", "batch_id", "file_ids", "files"),
        *("batches", "name", "token", "body", "header", "event"),
    }
    for name, member in public(face).items():
        if inspect.isfunction(member):
            found = inspect.signature(member).parameters.values()
            names = {p.name for p in found if p.kind is not p.KEYWORD_ONLY}
            assert names <= positional, name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_module_functions_have_twins(name: str) -> None:
    blocking, twin = getattr(extracta_rs, name), getattr(extracta_rs, f"{name}_async")
    assert signature(blocking) == signature(twin)
    assert returned(blocking) == returned(twin)
    assert inspect.iscoroutinefunction(twin)
    assert not inspect.iscoroutinefunction(blocking)
    methods = {"upload_files": "upload", "get_batch_results": "results", "poll_batch": "wait"}
    method = methods.get(name, name)
    owner = _sync.Client if name in ("check", "fetch") else _sync.Extractions
    assert signature(blocking) == signature(getattr(owner, method))[1:]


def test_no_module_function_without_a_twin() -> None:
    names = {name for name in dir(_default) if not name.startswith("_")}
    defined = {name for name in names if inspect.isfunction(getattr(_default, name))}
    assert defined == {*FUNCTIONS, *(f"{name}_async" for name in FUNCTIONS)}
    assert defined <= set(extracta_rs.__all__)


def documentable() -> Iterator[tuple[str, Any]]:
    """Return everything public that has words of its own, with its name."""
    modules = [
        *(_async, _base, _default, _observe, _options, _shared, _sync),
        *(exceptions, models, testing, webhooks, extracta_rs),
    ]
    seen: set[int] = set()
    for module in modules:
        yield module.__name__, module
        for name in module.__all__ if hasattr(module, "__all__") else dir(module):
            thing = getattr(module, name)
            ours = getattr(thing, "__module__", "").startswith("extracta_rs")
            if name.startswith("_") or not ours or id(thing) in seen:
                continue
            seen.add(id(thing))
            if inspect.isclass(thing) or inspect.isroutine(thing):
                yield f"{module.__name__}.{name}", thing
            if inspect.isclass(thing):
                for member_name, member in vars(thing).items():
                    written = inspect.isfunction(member) or isinstance(member, property)
                    if written and not member_name.startswith("_"):
                        yield f"{module.__name__}.{name}.{member_name}", member


THINGS = dict(documentable())


def test_enough_is_looked_at() -> None:
    assert len(THINGS) > 120
    assert "extracta_rs._sync.Extractions.upload" in THINGS
    assert "extracta_rs._async.AsyncBatch.wait" in THINGS


@pytest.mark.parametrize("name", THINGS)
def test_everything_public_is_documented(name: str) -> None:
    text = inspect.getdoc(THINGS[name]) or ""
    first, *rest = text.split("\n")
    assert first.endswith((".", ":", "`", "!")), text
    assert first[0] == first[0].upper() or first.startswith("`")
    assert not rest or rest[0] == ""
    # A dataclass without words of its own has its signature for a docstring.
    assert not first.startswith(f"{name.rsplit('.', maxsplit=1)[-1]}(")


@pytest.mark.parametrize("name", THINGS)
def test_documented_arguments_exist(name: str) -> None:
    thing = THINGS[name]
    text = inspect.getdoc(thing) or ""
    if "\nArgs:\n" not in text or not callable(thing):
        return
    section = re.split(r"\n(?=[A-Z]\w+:\n)", text.split("\nArgs:\n")[1])[0]
    documented = re.findall(r"^    (\w+): ", section, re.M)
    parameters = [p for p in inspect.signature(thing).parameters if p != "self"]
    assert documented == parameters


@pairs
def test_the_blocking_face_says_what_is_raised(blocking: type, twin: type) -> None:
    for name, member in public(blocking).items():
        if not inspect.isfunction(member) or name in {"close", "token"}:
            continue
        link = re.compile(r"[Ss]ee `(Async)?\w+(\.\w+)?`")
        documents = inspect.getdoc(member) or "", inspect.getdoc(public(twin)[name]) or ""
        assert link.search(documents[1]) or documents[0] == documents[1], name


def test_all_is_sorted_and_complete() -> None:
    assert sorted(extracta_rs.__all__) == sorted(set(extracta_rs.__all__))
    for name in extracta_rs.__all__:
        assert getattr(extracta_rs, name) is not None
    assert set(extracta_rs.__all__) <= set(dir(extracta_rs))
