"""Errors of the service as errors of Python: classes, attributes, messages, pickles."""

from __future__ import annotations

import copy
import inspect
import io
import json
import pickle
import subprocess
import sys
from typing import Any

import pytest

import extracta_rs
from extracta_rs import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    BatchFailedError,
    BatchResults,
    Client,
    ClientClosedError,
    ConfigurationError,
    ExtractaError,
    NotFoundError,
    ParsedResults,
    ParseProblem,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    UnfinishedDocument,
    UploadOutcomeUnknownError,
    WaitTimeoutError,
    exceptions,
)
from extracta_rs.testing import Emulator

CLASSES: dict[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    422: BadRequestError,
    429: RateLimitError,
}
EVERY_CLASS = [getattr(exceptions, name) for name in exceptions.__all__]


@pytest.fixture
def failed(connect: Any, extracta_emulator: Emulator) -> Any:
    """Order a fault; return the error that a request raises."""
    face = connect(max_retries=0)

    def failed(**fault: Any) -> APIError:
        extracta_emulator.faults.add("viewExtraction", **fault)
        with pytest.raises(APIError) as raised:
            face("extractions.view", "-x")
        return raised.value

    return failed


def test_every_status_has_a_class(failed: Any) -> None:
    for status in range(400, 600):
        error = failed(status=status)
        assert type(error) is CLASSES.get(status, ServerError if status >= 500 else APIError)
        assert error.status_code == status
        assert (error.method, error.path) == ("POST", "/viewExtraction")
        assert error.retry_after is None
        assert str(error) == f"POST /viewExtraction: {status} {error.message}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"message": "No such extraction"}', "No such extraction"),
        ('{"error": "No such extraction"}', "No such extraction"),
        ('{"status": "error", "message": "first", "error": "second"}', "first"),
        ('{"error": {"message": "nested", "code": 5}}', "nested"),
        ('{"message": {"message": "nested"}}', "nested"),
        ('{"message": 5, "error": "text"}', "text"),
        ('{"message": "größe\\n\\u00e9 😀"}', "größe\né 😀"),
        ('{"error": true}', "Not Found"),
        ('{"detail": "elsewhere"}', "Not Found"),
        ("[]", "Not Found"),
        ('"text"', "Not Found"),
        ("null", "Not Found"),
        ('{"message": "half', "Not Found"),
        (r'{"message": "\ud83d"}', "Not Found"),
        ("<html><title>404</title>", "Not Found"),
        ("", "Not Found"),
        (b"\xff\xfe\x00 invalid", "Not Found"),
        ("[" * 100_000, "Not Found"),
        (json.dumps({"message": "m" * 10_000}), "m" * 500),
        (json.dumps({"message": "short", "more": "x" * 10_000}), "short"),
    ],
)
def test_the_message_is_what_the_service_said(body: str | bytes, message: str, failed: Any) -> None:
    error = failed(status=404, body=body)
    assert error.message == message
    raw = body.encode() if isinstance(body, str) else body
    assert error.body == raw[:2048].decode("utf-8", "replace")


@pytest.mark.parametrize("status", [418, 499, 599])
def test_a_status_without_a_name(status: int, failed: Any) -> None:
    error = failed(status=status, body="")
    assert error.message in {"I'm a teapot", "error"}
    assert error.body == ""


@pytest.mark.parametrize(("value", "seconds"), [(0, 0.0), (1.5, 1.5), ("7", 7.0), ("soon", None)])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_told(value: Any, seconds: float | None, status: int, failed: Any) -> None:
    error = failed(status=status, retry_after=value)
    assert error.retry_after == seconds


@pytest.mark.parametrize("key", ["wrong", "test-key2", "Test-Key"])
def test_a_wrong_key(key: str, connect: Any, extracta_emulator: Emulator) -> None:
    with pytest.raises(AuthenticationError) as raised:
        connect(api_key=key)("credits")
    assert (raised.value.status_code, raised.value.path) == (401, "/credits")
    assert len(extracta_emulator.requests()) == 1


def test_the_tree_of_errors() -> None:
    assert all(issubclass(error, ExtractaError) for error in EVERY_CLASS)
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(ClientClosedError, RuntimeError)
    assert issubclass(APITimeoutError, (APIConnectionError, TimeoutError))
    assert issubclass(APITimeoutError, TimeoutError)
    assert issubclass(WaitTimeoutError, TimeoutError)
    assert {error for error in EVERY_CLASS if issubclass(error, APIError)} == {
        APIError,
        ServerError,
        *CLASSES.values(),
    }
    assert set(exceptions.__all__) <= set(extracta_rs.__all__)
    for error in EVERY_CLASS:
        # The tree in the module's head names each.
        assert error.__name__ in (exceptions.__doc__ or "")


def some_results() -> BatchResults:
    data = {"status": "finished", "files": [{"fileId": "f", "status": "failed", "error": "blank"}]}
    return BatchResults._load(data, True, "-x", None, "-b")


@pytest.mark.parametrize("error", EVERY_CLASS)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_every_error_can_be_pickled(error: type[ExtractaError], protocol: int) -> None:
    values = {
        "str": "text",
        "int": 404,
        "float | None": 1.5,
        "bool": False,
        "str | None": "-x",
        "list[str] | None": ["a", "b"],
        "list[str | None] | None": ["ab" * 32, None],
        "BatchResults | None": some_results(),
        "list[ParseProblem] | None": [
            ParseProblem(file_name="a.pdf", path="lines[0].tax", value="'x'", reason="is odd")
        ],
        "ParsedResults[Any] | None": ParsedResults([], some_results()),
        "list[UnfinishedDocument] | None": [UnfinishedDocument("a.pdf", None, None, "-b", "gone")],
    }
    taken = inspect.signature(error.__init__).parameters.values()
    named = {p.name: values[p.annotation] for p in taken if p.kind is p.KEYWORD_ONLY}
    made = error("what happened", **named)
    for copied in (pickle.loads(pickle.dumps(made, protocol)), copy.copy(made)):
        assert type(copied) is error
        assert str(copied) == "what happened"
        assert copied.args == made.args
        assert copied.__dict__ == made.__dict__ == named
    # What a keyword sets, an attribute of the same name gives back, and it is documented.
    for name in named:
        assert getattr(error("", **named), name) == named[name]
        documents = [inspect.getdoc(parent) or "" for parent in error.__mro__]
        assert any(f"\n    {name}: " in text for text in documents)


def raised_by(emulator: Emulator, extraction_id: str) -> list[ExtractaError]:
    """Return one error of each kind as the client raises it."""
    settings: dict[str, Any] = {"base_url": emulator.base_url, "max_retries": 0, "timeout": 0.2}
    raised: list[ExtractaError] = []
    faults: list[dict[str, Any]] = [
        {"status": 404},
        {"status": 429, "retry_after": 7},
        {"status": 500},
        {"cut": "after"},
        {"delay": 1},
        {"body": "<html>"},
    ]
    with Client("test-key", min_poll_spacing=0, **settings) as client:
        for fault in faults:
            emulator.faults.add("credits", **fault)
            with pytest.raises(ExtractaError) as error:
                client.credits()
            raised.append(error.value)
        emulator.faults.add("uploadFiles", status=500)
        with pytest.raises(UploadOutcomeUnknownError) as unknown:
            client.extractions.upload(extraction_id, ("ä.pdf", io.BytesIO(b"x")))
        raised.append(unknown.value)
        batch = client.extractions.upload(extraction_id, ("ä.pdf", b"x"))
        with pytest.raises(WaitTimeoutError) as timeout:
            batch.wait(timeout=0.2, poll_interval=0.01)
        raised.append(timeout.value)
        batch = client.extractions.upload(extraction_id, ("bad.pdf", b"x"))
        emulator.faults.add(
            "getBatchResults", batch_id=batch.batch_id, body=json.dumps(some_results().to_dict())
        )
        with pytest.raises(BatchFailedError) as files:
            batch.results().raise_for_failures()
        raised.append(files.value)
    with pytest.raises(ExtractaError) as closed:
        client.credits()
    with pytest.raises(ConfigurationError) as config:
        Client("test-key", proxy="::")
    return [*raised, closed.value, config.value]


@pytest.mark.extracta_emulator(processing_time=3600)
def test_raised_errors_reach_another_process_whole(
    extracta_emulator: Emulator, extraction_id: str
) -> None:
    errors = raised_by(extracta_emulator, extraction_id)
    assert len({type(error) for error in errors}) == len(errors)
    program = "import pickle, sys; print([ascii((str(e), sorted(vars(e)))) for e in "
    program += "pickle.load(sys.stdin.buffer)])"
    printed = subprocess.run(
        [sys.executable, "-c", program], input=pickle.dumps(errors), capture_output=True, check=True
    )
    expected = [ascii((str(error), sorted(vars(error)))) for error in errors]
    assert printed.stdout.decode().strip() == str(expected)
    for error, read in zip(errors, pickle.loads(pickle.dumps(errors)), strict=True):
        assert vars(read) == vars(error)
