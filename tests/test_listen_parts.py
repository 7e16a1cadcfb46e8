"""The parts of `extracta-rs listen` that need no process: what is kept, shown and passed on."""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extracta_rs import sign
from extracta_rs._cli import _deliveries, _endpoint
from extracta_rs._cli._deliveries import Deliveries
from extracta_rs._cli._delivery import detail, read, summary
from extracta_rs._cli._endpoint import Endpoint, end_to_end
from extracta_rs._cli._listen_view import line, plain
from extracta_rs._cli._pretty import pretty

SECRET = "E_AI_K_listen-säcret"
BODY = (
    b'{"event":"extraction.processed","result":[{"extractionId":"-Oe","batchId":"-Ob",'
    b'"fileId":"-Of","fileName":"a.pdf","status":"processed","result":{"total":1.5}}]}'
)


@given(st.text(st.characters()))
def test_plain_text_is_printable(text: str) -> None:
    assert all(char.isprintable() or unicodedata.category(char) == "Zs" for char in plain(text))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", plain(text))


def test_an_app_that_is_late(raw_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    raw_server.reply = lambda stream: release.wait(20)
    monkeypatch.setattr(_endpoint, "TIMEOUT", 0.1)
    answer = Endpoint(raw_server.url).post(b"{}", [])
    release.set()
    assert (answer.status, answer.passed_on) == (None, 504)
    assert answer.error
    assert answer.error.startswith("no answer within")


def test_an_app_that_speaks_no_tls(app: Any) -> None:
    answer = Endpoint(app.url.replace("http", "https")).post(b"{}", [])
    assert (answer.status, answer.passed_on) == (None, 502)
    assert answer.error


def test_an_app_that_drips_its_answer_has_answered(raw_server: Any) -> None:
    raw_server.answer(b"abc", length=100)  # the rest never comes
    answer = Endpoint(raw_server.url).post(b"{}", [])
    assert (answer.status, answer.text, answer.error) == (200, "abc", None)


def kept(size: int = 1) -> dict[str, Any]:
    return {"time": 0.0, "path": "/", "headers": (), "body": b"x" * size, **read(b"", None, ["s"])}


def test_what_is_kept_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_deliveries, "MOST_BYTES", 100)
    deliveries = Deliveries(50)
    for _ in range(10):
        deliveries.add(**kept(size=30))
    changes = deliveries.changes(0, 0)
    assert changes
    assert [each.id for each in changes.deliveries] == [8, 9, 10]
    assert changes.oldest == 8
    deliveries.add(**kept(size=1000))
    changes = deliveries.changes(0, 0)
    assert changes
    assert [each.id for each in changes.deliveries] == [11], "the latest stays, whatever its size"
    gone = deliveries.update(changes.deliveries[0], answered=204)
    assert gone.answered == 204


def test_a_delivery_with_very_much_in_it_is_shown_in_part(listen: Any) -> None:
    files = [{"fileId": f"{n}" * 400, "status": f"s{n}", "batchId": f"{n}"} for n in range(3000)]
    body = json.dumps({"event": "x" * 1000, "result": files}).encode()
    deliveries = Deliveries(1)
    fields = {**kept(), "body": body, **read(body, sign(body, "s"), ["s"])}
    delivery = deliveries.add(**fields)
    short = summary(delivery)
    assert short["file_count"] == 3000
    assert len(short["files"]) == 100
    assert len(json.dumps(short)) < 100_000
    whole = detail(delivery)
    assert whole["body"]["cut"]
    assert len(whole["body"]["text"]) == 512 << 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON, st.sampled_from([None, 0, 3]), st.booleans())
def test_pretty_json_has_the_same_tokens(value: Any, indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode(
        "utf-8", "surrogatepass"
    )
    try:
        body.decode()
    except UnicodeDecodeError:
        assert pretty(body, 1 << 20)[1] == "binary"
        return
    text, kind = pretty(body, 1 << 20)
    assert kind == "json"
    assert json.loads(text) == value
    assert text == json.dumps(value, indent=2, ensure_ascii=ascii_only)


def test_pretty_leaves_tokens_and_what_is_no_json_as_they_came() -> None:
    assert pretty(rb'{"a":1.0,"a":1e2,"\u00e9":[ ],"b":{ "c":-0}}', 999) == (
        '{\n  "a": 1.0,\n  "a": 1e2,\n  "\\u00e9": [],\n  "b": {\n    "c": -0\n  }\n}', "json",
    )  # fmt: skip
    assert pretty(b"[%s]" % (b"9" * 5000), 9999)[1] == "json"
    assert pretty(b"<html>\n", 999) == ("<html>\n", "text")
    assert pretty(b"[1,]", 999) == ("[1,]", "text")
    assert pretty(b"\xff[1]", 999) == ("�[1]", "binary")
    assert pretty(b"[" * 100_000, 999)[1] == "text"
    deep = b"[" * 900 + b"]" * 900
    text, kind = pretty(deep, 50_000)
    assert kind == "json"
    assert len(text) < 50_100


def test_headers_for_the_next_one_only_are_left_out() -> None:
    assert end_to_end([
        ("Host", "a"), ("Keep-Alive", "1"), ("CONNECTION", "X-a , TE"), ("x-A", "1"),
        ("X-Folded", "one\r\n two\n\tthree"), ("bad name", "x"), ("Content-Type", "text/plain"),
    ]) == [("X-Folded", "one two three"), ("Content-Type", "text/plain")]  # fmt: skip


BODIES = st.binary() | st.sampled_from(
    [BODY, b"[]", b'{"result":[[]]}', b'{"event":1,"result":[]}']
)


@given(BODIES, BODIES, st.none() | st.text() | st.just(sign(BODY, SECRET)))
def test_whatever_comes_is_shown(one: bytes, other: bytes, signature: str | None) -> None:
    for body in (one, one[: len(one) // 2] + other):
        for header in (signature, sign(b"[]", SECRET)):
            fields = {**kept(), "body": body, **read(body, header, [SECRET])}
            delivery = Deliveries(1).add(**fields)
            json.dumps(detail(delivery))
            assert "\n" not in line(summary(delivery), replay=False).plain
