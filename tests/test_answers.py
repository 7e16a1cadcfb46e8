"""Answers that nobody promised: each is understood or becomes an error with a type; none hangs."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pytest

from extracta_rs import (
    APIConnectionError,
    APITimeoutError,
    ExtractaError,
    ResponseFormatError,
    ServerError,
)
from extracta_rs.testing import Emulator

# How each kind of answer is asked for, and what must be in it.
ASK: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "credits": ("credits", (), {}),
    "createExtraction": ("extractions.create", ("n",), {"fields": [{"key": "k"}]}),
    "viewExtraction": ("extractions.view", ("-x",), {}),
    "updateExtraction": ("extractions.update", ("-x",), {"name": "n"}),
    "getBatchResults": ("extractions.results", ("-x", "-b"), {}),
}
NOT_JSON: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \n",
    "html": b"<!DOCTYPE html><html>Bad gateway</html>",
    "truncated": b'{"status": "processed", "credits": 5, "files": [{"fileId": "a"',
    "two values": b'{"status": "waiting", "credits": 1, "extractionId": "x"}{}',
    "NaN": b'{"status": "waiting", "credits": NaN, "extractionId": "x"}',
    "Infinity": b'{"status": "waiting", "extractionId": "x", "credits": 1, "a": -Infinity}',
    "single quotes": b"{'status': 'waiting'}",
    "not UTF-8": b'{"status": "waiting\xff", "credits": 1, "extractionId": "x", "\xfe": 1}',
    "UTF-16": '{"status": "waiting"}'.encode("utf-16"),
    "control": b'{"status": "wait\ning", "credits": 1, "extractionId": "x"}',
    "list": b"[]",
    "text": b'"x"',
    "number": b"5",
    "null": b"null",
}
WRONG_SHAPE: dict[str, dict[str, Any]] = {
    "credits": {"nothing": {}, "text": {"credits": "5"}, "half": {"credits": 1.5}},
    "createExtraction": {"nothing": {}, "number": {"extractionId": 5}, "": {"extractionId": ""}},
    "getBatchResults": {
        "nothing": {},
        "files": {"files": {}},
        "file": {"files": ["a"]},
        "number": {"status": 5},
        "status": {"files": [{"status": ["processed"]}]},
    },
}


@pytest.fixture
def ask(connect: Any, raw_server: Any) -> Callable[..., Any]:
    """Answer a request with a body; return what the client makes of it."""
    face = connect(base_url=raw_server.url, max_retries=0)

    def ask(body: bytes | str, *headers: str, endpoint: str = "getBatchResults") -> Any:
        raw_server.answer(body.encode() if isinstance(body, str) else body, *headers)
        method, arguments, keywords = ASK[endpoint]
        return face(method, *arguments, **keywords)

    return ask


def results(value: str, more: str = "") -> str:
    """Make an answer with JSON text as a result."""
    return f'{{"status": "processed", {more} "files": [{{"fileId": "f", "result": {value}}}]}}'


@pytest.mark.parametrize("what", NOT_JSON)
def test_an_answer_that_is_no_json_object(
    what: str, face: Any, extracta_emulator: Emulator
) -> None:
    for endpoint, (method, arguments, keywords) in ASK.items():
        extracta_emulator.faults.add(endpoint, status=200, body=NOT_JSON[what])
        with pytest.raises(ResponseFormatError) as raised:
            face(method, *arguments, **keywords)
        error = raised.value
        assert error.status_code == 200
        assert error.body == NOT_JSON[what].decode("utf-8", "replace")
        assert error.path == f"/{endpoint}"
        assert f"{error.method} /{endpoint}: " in str(error)
    # What could not be read is not asked for again.
    assert len(extracta_emulator.requests()) == len(ASK)


@pytest.mark.parametrize("endpoint", WRONG_SHAPE)
def test_an_answer_of_the_wrong_shape(endpoint: str, ask: Any) -> None:
    for shape in WRONG_SHAPE[endpoint].values():
        with pytest.raises(ResponseFormatError) as raised:
            ask(json.dumps(shape), endpoint=endpoint)
        assert json.loads(raised.value.body) == shape


def test_what_is_not_of_the_documented_type_is_none_and_kept(ask: Any) -> None:
    data = {
        "extractionDetails": {"name": 5, "fields": "none", "options": [], "batches": 1},
        "status": {},
        "createdAt": "yesterday",
    }
    shown = ask(json.dumps(data), endpoint="viewExtraction")
    assert (shown.extraction_id, shown.name, shown.fields) == ("-x", None, [])
    assert (shown.options, shown.batches, shown.status, shown.created_at) == (None, {}, None, None)
    assert shown.to_dict() == data
    data = {"status": None, "files": [{"fileId": 1, "result": [], "url": {}, "extraction": "x"}]}
    (file,) = ask(json.dumps(data))
    assert (file.file_id, file.result, file.url, file.extraction) == (None, {}, None, None)
    assert file.to_dict() == data["files"][0]  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\ud83d"', "\ud83d"),
        (r'"\ude00\ud83d"', "\ude00\ud83d"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\u0000\/\b"', "\0/\b"),
        ('"\u2028 é 😀"', "\u2028 é 😀"),
        (str(2**53 + 1), 2**53 + 1),
        (str(-(2**200)), -(2**200)),
        ("9" * 4000, int("9" * 4000)),
        ("9" * 5000, math.inf),
        ("1e400", math.inf),
        ("0.1", 0.1),
        ("1.0", 1.0),
        ("-0", 0),
        ("5e-324", 5e-324),
        ('{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
        ('{"__proto__": {"x": 1}, "": null}', {"__proto__": {"x": 1}, "": None}),
        (r'{"\ud83d": true}', {"\ud83d": True}),
    ],
)
def test_values_are_read_as_python_reads_json(text: str, value: Any, ask: Any) -> None:
    (file,) = ask(results(f'{{"value": {text}}}'))
    read = file.result["value"]
    assert read == value
    assert type(read) is type(value)
    # An answer of which only the id is needed, too.
    shown = ask(f'{{"extractionDetails": {{"value": {text}}}}}', endpoint="viewExtraction")
    assert shown.to_dict()["extractionDetails"]["value"] == value
    made = ask(f'{{"extractionId": "-x", "value": {text}}}', endpoint="createExtraction")
    assert made.to_dict()["value"] == value


def test_a_repeated_status_is_no_reason_to_crash(ask: Any) -> None:
    with pytest.raises(ResponseFormatError, match="duplicate"):
        ask('{"status": "waiting", "status": "processed"}')


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("levels", [100, 9_990, 10_000, 200_000])
def test_deep_nesting(levels: int, opening: str, ask: Any) -> None:
    deep = opening * levels + "5" + ("]" if opening == "[" else "}") * levels
    bodies = [
        ("getBatchResults", results(f'{{"deep": {deep}}}')),
        ("getBatchResults", results("{}", f'"deep": {deep},')),
        ("viewExtraction", f'{{"deep": {deep}}}'),
        ("createExtraction", f'{{"extractionId": "-x", "deep": {deep}}}'),
    ]
    for endpoint, body in bodies:
        if levels >= 10_000:
            with pytest.raises(ResponseFormatError, match="nested too deeply"):
                ask(body, endpoint=endpoint)
            continue
        value = ask(body, endpoint=endpoint).to_dict()
        value = value["deep"] if "deep" in value else value["files"][0]["result"]["deep"]
        for _ in range(levels):
            value = value[0] if opening == "[" else value["a"]
        assert value == 5
    assert ask(f'{{"credits": 5, "deep": {deep}}}', endpoint="credits") == 5
    for wrong in (f'{{"credits": {deep}}}', deep, deep[:levels]):
        with pytest.raises(ResponseFormatError):
            ask(wrong, endpoint="credits")


def test_a_compressed_answer(ask: Any, raw_server: Any) -> None:
    body = gzip.compress(results('{"total": "1"}').encode())
    assert ask(body, "Content-Encoding: gzip").files[0].result == {"total": "1"}
    assert b"accept-encoding: gzip" in raw_server.requests[0].lower()
    with pytest.raises((APIConnectionError, ResponseFormatError)):
        ask(body[:-10], "Content-Encoding: gzip")
    with pytest.raises((APIConnectionError, ResponseFormatError)):
        ask(b"not gzip", "Content-Encoding: gzip")


def plain() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 209715200\r\n\r\n"
    yield from (b" " * (1 << 20) for _ in range(200))


def endless() -> Iterator[bytes]:
    yield b"HTTP/1.1 500 Oops\r\n\r\n"
    yield from (b"[" * (1 << 20) for _ in range(1000))


def bomb() -> Iterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)
    yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    yield from (packer.compress(bytes(1 << 20)) for _ in range(500))
    yield packer.flush()


@pytest.mark.parametrize("answer", [plain, endless, bomb])
def test_an_answer_that_is_too_large_takes_bounded_memory(
    answer: Callable[[], Iterator[bytes]],
    extracta_emulator: Emulator,
    raw_server: Any,
    start: Callable[..., subprocess.Popen[str]],
    end: Callable[..., str],
) -> None:
    raw_server.reply = lambda stream: [stream.write(piece) for piece in answer()]
    name, rise, kept = end(
        start("large_answer.py", extracta_emulator.base_url, raw_server.url)
    ).split()
    assert name == "ResponseFormatError"
    assert int(kept) == 2048
    assert int(rise) < 150 << 20


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int, connect: Any, raw_servers: Any) -> None:
    here, elsewhere = raw_servers(), raw_servers()
    elsewhere.answer(b'{"status": "waiting", "credits": 5, "extractionId": "x"}')
    for location in (elsewhere.url, f"{elsewhere.url}/?signature=geheim", "/elsewhere", "\xff"):
        here.answer(b"", f"Location: {location}", status=f"{status} Moved")
        face = connect(base_url=here.url)
        for method, arguments, keywords in ASK.values():
            with pytest.raises(ResponseFormatError, match="redirects are not followed") as raised:
                face(method, *arguments, **keywords)
            assert raised.value.status_code == status
            assert "geheim" not in str(raised.value)
    assert elsewhere.requests == []
    assert len(here.requests) == 4 * len(ASK)


RAW: dict[str, tuple[bytes, type[Exception] | None]] = {
    "nothing": (b"", APIConnectionError),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", APIConnectionError),
    "binary": (bytes(range(256)), APIConnectionError),
    "no reason": (b'HTTP/1.1 200\r\nContent-Length: 14\r\n\r\n{"credits": 5}', None),
    "HTTP/1.0": (b'HTTP/1.0 200 OK\r\n\r\n{"credits": 5}', None),
    "latin header": (b'HTTP/1.1 200 OK\r\nX: \xff\xfe\r\n\r\n{"credits": 5}', None),
    "continue": (b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{"credits": 5}', None),
    "bad header": (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n{}", APIConnectionError),
    "bad length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", APIConnectionError),
    "short": (b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"credits": 5}', APIConnectionError),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n{}", APIConnectionError),
    "large header": (b"HTTP/1.1 200 OK\r\nA: " + b"b" * (1 << 21), APIConnectionError),
    "bad chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n",
        APIConnectionError,
    ),
    "status 999": (b"HTTP/1.1 999 Denied\r\n\r\n", ServerError),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", ResponseFormatError),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\n\r\n", ResponseFormatError),
}


@pytest.mark.parametrize("what", RAW)
def test_what_is_hardly_http(what: str, connect: Any, raw_server: Any) -> None:
    raw, expected = RAW[what]
    raw_server.reply = lambda stream: stream.write(raw)
    face = connect(base_url=raw_server.url, max_retries=0, timeout=5)
    if expected is None:
        assert face("credits") == 5
        return
    with pytest.raises(ExtractaError) as raised:
        face("credits")
    assert type(raised.value) is expected


def test_a_deletion_needs_no_body(connect: Any, raw_server: Any) -> None:
    def no_content(stream: BinaryIO) -> None:
        stream.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    raw_server.reply = no_content
    face = connect(base_url=raw_server.url)
    assert face("extractions.delete", "-x") is None
    assert face("classifications.delete_batch", "-x", "-b") is None


@pytest.mark.parametrize("body", [b"<html>Sign in</html>", b'{"status": "del', b"[]"])
def test_a_deletion_believes_no_other_page(body: bytes, connect: Any, raw_server: Any) -> None:
    raw_server.answer(body)
    face = connect(base_url=raw_server.url)
    for call in [
        ("extractions.delete", "-x"),
        ("classifications.delete_batch", "-x", "-b"),
        ("extractions.delete_files", "-x", "-b", "-f"),
        ("classifications.delete_files", "-x", "-b", "-f"),
    ]:
        with pytest.raises(ResponseFormatError):
            face(*call)
    assert len(raw_server.requests) == 4


@pytest.mark.parametrize("fault", [{"delay": 3}, {"slow_body": 6}])
def test_a_slow_answer(fault: dict[str, Any], connect: Any, extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", **fault)
    with pytest.raises(APITimeoutError, match=r"GET /credits: no answer within 0\.2 s") as raised:
        connect(timeout=0.2, max_retries=0)("credits")
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.request_sent
