"""`extracta_rs.webhooks`: the Python face of the signatures."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from extracta_rs.exceptions import SignatureVerificationError, WebhookPayloadError
from extracta_rs.webhooks import SIGNATURE_HEADER, WebhookEvent, sign, unwrap, verify_signature

SECRET = "E_AI_K_very-secret"
FILE = {
    "fileId": "-f1",
    "fileName": "ü.pdf",
    "extractionId": "-e1",
    "batchId": "-b1",
    "status": "processed",
    "result": {"total": 1.5, "lines": [{"n": 1}]},
    "url": "https://example.com/f1",
}


def deliver(*files: Any, event: str | None = "extraction.processed") -> bytes:
    body = {"result": list(files)} if event is None else {"event": event, "result": list(files)}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def opened(*files: Any, event: str | None = "extraction.processed") -> WebhookEvent:
    body = deliver(*files, event=event)
    return unwrap(body, sign(body, SECRET), SECRET)


def test_an_event_has_everything() -> None:
    event = opened(FILE)
    assert SIGNATURE_HEADER == "x-webhook-signature"
    assert (event.event, event.feature, event.action) == (
        "extraction.processed",
        "extraction",
        "processed",
    )
    (file,) = event.files
    assert (file.file_id, file.batch_id, file.extraction_id) == ("-f1", "-b1", "-e1")
    assert file.result == FILE["result"]
    assert event.event_consistent
    assert event.to_dict() == {"event": "extraction.processed", "result": [FILE]}
    assert event.to_dict()["result"][0] is file.to_dict()
    assert event.raw == deliver(FILE)
    assert "raw" not in repr(event)
    assert pickle.loads(pickle.dumps(event)) == event
    with pytest.raises(AttributeError, match="cannot be changed"):
        event.event = "x"  # type: ignore[misc]


def test_a_legacy_delivery_has_no_event() -> None:
    for body in (deliver(FILE, event=None), f" [{json.dumps(FILE)}]\n".encode()):
        event = unwrap(body, sign(body, SECRET), SECRET)
        assert (event.event, event.feature, event.action) == (None, None, None)
        assert event.to_dict() == {"result": [FILE]}
        assert event.event_consistent


@pytest.mark.parametrize(
    ("event", "feature", "action"),
    [
        ("extraction.confirmed", "extraction", "confirmed"),
        ("new", "new", None),
        ("a.b.c", "a", "b.c"),
        ("", None, None),
        (".x", None, "x"),
    ],
)
def test_unknown_events_are_accepted(event: str, feature: str | None, action: str | None) -> None:
    opens = opened(FILE, event=event)
    assert (opens.event, opens.feature, opens.action) == (event, feature, action)
    assert opens.event_consistent


def test_the_keys_of_a_delivery_are_those_documented() -> None:
    digest = hashlib.sha256(b'{"total":1.5,"lines":[{"n":1}]}').hexdigest()
    text = json.dumps(["-e1", "-b1", "-f1", "processed", digest], separators=(",", ":"))
    (key,) = opened(FILE).dedupe_keys
    assert key == hashlib.sha256(text.encode()).hexdigest()
    assert opened(FILE, {**FILE, "url": "new"}, event="extraction.edited").dedupe_keys == [key] * 2
    changes: list[dict[str, Any]] = [{"status": "failed"}, {"result": {}}, {"batchId": None}]
    for change in changes:
        assert opened({**FILE, **change}).dedupe_keys != [key]


@pytest.mark.parametrize(
    ("event", "files", "consistent"),
    [
        ("extraction.processed", [{"status": "processed"}, {"status": "failed"}], True),
        ("extraction.processed", [{"status": "failed"}, {"status": "waiting"}], False),
        ("extraction.processed", [{"status": "failed"}, {"status": "archived"}], True),
        ("extraction.processed", [{"fileId": "x"}], True),
        ("extraction.processed", [], True),
        ("extraction.failed", [{"status": "processed"}, {"status": "processed"}], False),
        ("extraction.failed", [{"status": "processed"}, {"status": "failed"}], True),
        ("extraction.failed", [{"fileId": "x"}], True),
        ("extraction.failed", [], True),
        ("extraction.edited", [{"status": "failed"}], True),
        ("extraction.confirmed", [{"classificationId": "c"}], False),
        ("extraction.confirmed", [{"classificationId": "c", "extractionId": "e"}], True),
        ("classification.new", [{"extractionId": "e"}], False),
        ("classification.new", [{"extractionId": "e", "result": {"documentType": "x"}}], True),
        ("classification.processed", [{"classificationId": "c", "status": "failed"}], False),
        ("billing.failed", [{"status": "processed"}], True),
        (None, [{"status": "failed"}], True),
    ],
)
def test_an_event_that_contradicts_the_signed_files_is_told(
    event: str | None, files: list[Any], consistent: bool
) -> None:
    assert opened(*files, event=event).event_consistent is consistent


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"event":"a.b","result":{"fileId":"x"}}', "`result` is an object"),
        (b'{"event":"a.b","result":null}', "`result` is null"),
        (b'{"event":"a.b","result":[{},1]}', "`result` has a number"),
        (b"[[]]", "`result` has an array"),
        (b'{"event":1,"result":[]}', "`event` is a number"),
    ],
)
def test_a_signed_body_of_another_shape_is_a_payload_error(body: bytes, message: str) -> None:
    header = sign(body, SECRET)
    assert verify_signature(body, header, SECRET)
    with pytest.raises(WebhookPayloadError, match=message):
        unwrap(body, header, SECRET)


def test_what_is_parsed_is_what_was_verified() -> None:
    forged = b'{"result":[{"fileId":"forged"}],"event":"a.b","result":' + deliver(FILE)[41:]
    assert json.loads(forged)["result"] == [FILE]
    event = unwrap(forged, sign(deliver(FILE), SECRET), SECRET)
    assert event.to_dict()["result"] == [FILE]
    behind = deliver(FILE)[:-1] + b',"result":[{"fileId":"forged"}]}'
    assert not verify_signature(behind, sign(deliver(FILE), SECRET), SECRET)


def test_strings_and_numbers_come_out_as_they_were_signed() -> None:
    body = r'{"result":[{"fileId":"a","result":{"s":"\ud800 \ud83d\ude00","n":1e400}}]}'
    (file,) = unwrap(body, sign(body, SECRET), SECRET).files
    assert file.result == {"s": "\ud800 😀", "n": None}


@pytest.mark.parametrize(
    ("signed", "forged"),
    [
        ("null", "1e400"),
        ("null", "-1e400"),
        ("null", "1" + "0" * 400),
        ("9007199254740992", "9007199254740993"),
        ("12345678901234567000", "12345678901234567001"),
        ("1e+21", "1000000000000000000001"),
    ],
)
def test_numbers_with_the_same_message_are_read_from_the_message(signed: str, forged: str) -> None:
    body = b'{"event":"extraction.processed","result":[{"fileId":"f","result":{"n":%s}}]}'
    honest, changed = body % signed.encode(), body % forged.encode()
    header = sign(honest, SECRET)
    event, other = (unwrap(sent, header, SECRET) for sent in (honest, changed))
    assert other.raw == changed
    assert repr(other.files[0].result) == repr(event.files[0].result)
    assert other.files[0].result == {"n": json.loads(signed)}
    assert pickle.loads(pickle.dumps(other)).to_dict() == other.to_dict()
    assert other.dedupe_keys == event.dedupe_keys


@pytest.mark.parametrize("convert", [bytes, bytearray, memoryview, bytes.decode])
def test_bodies_of_every_type(convert: Callable[[bytes], Any]) -> None:
    body = deliver(FILE)
    header = sign(convert(body), SECRET)
    assert header == sign(body, SECRET)
    assert verify_signature(convert(body), header, SECRET)
    assert unwrap(convert(body), header, SECRET).raw == body
    other = body.replace(b"1.5", b"2.5")
    assert not verify_signature(convert(other), header, SECRET)


def test_views_of_every_layout() -> None:
    body = deliver(FILE)
    twice = bytes(byte for pair in zip(body, body, strict=True) for byte in pair)
    header = sign(body, SECRET)
    assert verify_signature(memoryview(twice)[::2], header, SECRET)
    assert verify_signature(memoryview(body).cast("b"), header, SECRET)


@pytest.mark.parametrize("body", [{"result": []}, []])
def test_parsed_json_is_refused_with_the_way_out(body: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: verify_signature(body, "x", SECRET),
        lambda: unwrap(body, "x", SECRET),
        lambda: sign(body, SECRET),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="raw body") as caught:
            call()
        for advice in ("request.get_data()", "await request.body()", "request.body in Django"):
            assert advice in str(caught.value)


@pytest.mark.parametrize("wrong", [None, 1, object(), ("x",)])
def test_other_types_are_type_errors(wrong: Any) -> None:
    with pytest.raises(TypeError, match="body must be bytes"):
        verify_signature(wrong, "x", SECRET)
    if wrong is not None:
        with pytest.raises(TypeError, match="header must be str"):
            verify_signature(b"[]", wrong, SECRET)
    if wrong != ("x",):
        with pytest.raises(TypeError, match="secret must be str"):
            verify_signature(b"[]", "x", wrong)
    with pytest.raises(TypeError, match="secret must be str"):
        sign(b"[]", wrong)
    with pytest.raises(TypeError, match="secret must be str"):
        verify_signature(b"[]", "x", [SECRET, bytearray(b"x")])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "secret",
    [
        "",
        b"",
        "E_AI_K_",
        b"E_AI_K_",
        [],
        (),
        [SECRET, ""],
        ["E_AI_K_"],
        "\ud800",
        "\0",
        bytes(32),
        b"E_AI_K_\0",
    ],
)
def test_unusable_secrets_are_value_errors(secret: Any) -> None:
    for body, header in ((b"[]", "x"), (b"not JSON", None)):
        with pytest.raises(ValueError, match="secret") as caught:
            verify_signature(body, header, secret)
        assert "very-secret" not in str(caught.value)
        with pytest.raises(ValueError, match="secret"):
            unwrap(body, header, secret)
    if isinstance(secret, (str, bytes)):
        with pytest.raises(ValueError, match="secret"):
            sign(b"[]", secret)


def test_any_of_several_secrets_may_match() -> None:
    body = deliver(FILE)
    for secrets in (["new", SECRET], (SECRET.encode(), "new"), [SECRET], ["a", "b", SECRET]):
        assert verify_signature(body, sign(body, SECRET), secrets)
        assert unwrap(body, sign(body, SECRET), secrets).files
        assert not verify_signature(body, sign(body, "old"), secrets)
    assert verify_signature(body, sign(body, "very-secret"), SECRET)


@pytest.mark.parametrize("header", ["\ud800", "é" * 44, b"\xff" * 44, "=" * 44, "A" * 1_000_000])
def test_strange_headers_are_false(header: Any) -> None:
    assert verify_signature(b"[]", header, SECRET) is False


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe",
        b'{"result":["\xff"]}',
        "\ud800",
        '["\ud800"]',
        b"[" * 1_000_000,
        b'{"result":' * 100_000,
        b"\x00",
        b"[" + b"1," * 100_000,
    ],
)
def test_malformed_bodies_are_false(body: Any) -> None:
    header = base64.b64encode(bytes(32)).decode()
    assert verify_signature(body, header, SECRET) is False
    with pytest.raises(SignatureVerificationError) as caught:
        unwrap(body, header, SECRET)
    assert caught.value.reason == "malformed_body"
    with pytest.raises(ValueError, match="not JSON"):
        sign(body, SECRET)


def test_sign_needs_a_result() -> None:
    for body in (b"{}", b"1", b'{"event":"a.b"}', "null"):
        with pytest.raises(ValueError, match="no `result`"):
            sign(body, SECRET)


def test_every_flipped_byte_of_the_signed_part_is_refused() -> None:
    body = deliver(FILE)
    header = sign(body, SECRET)
    for place in range(body.index(b"["), len(body) - 1):
        for mask in (1, 2, 0x20, 0x80):
            forged = bytearray(body)
            forged[place] ^= mask
            assert not verify_signature(forged, header, SECRET), forged
    for place in range(len(header) - 1):
        other = "A" if header[place] != "A" else "B"
        assert not verify_signature(body, header[:place] + other + header[place + 1 :], SECRET)


def test_the_event_is_not_signed() -> None:
    header = sign(deliver(FILE), SECRET)
    event = unwrap(deliver(FILE, event="extraction.failed"), header, SECRET)
    assert (event.action, event.event_consistent) == ("failed", False)


@pytest.mark.parametrize("collects", [True, False])
def test_reading_a_large_body_leaves_the_collector_as_it_was(collects: bool) -> None:
    good = deliver(*[{**FILE, "fileId": str(number)} for number in range(4000)])
    assert len(good) > 500_000
    bad = b'{"event":1,"result":' + good[good.index(b"[") :]
    was = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        assert len(unwrap(good, sign(good, SECRET), SECRET).files) == 4000
        assert gc.isenabled() is collects
        with pytest.raises(WebhookPayloadError):
            unwrap(bad, sign(bad, SECRET), SECRET)
        assert gc.isenabled() is collects
    finally:
        (gc.enable if was else gc.disable)()


def test_large_bodies_on_many_threads() -> None:
    files = [{**FILE, "fileId": str(number)} for number in range(4000)]
    bodies = [deliver(*files), json.dumps({"event": "a.b", "result": files}).encode()]
    headers = [sign(body, SECRET) for body in bodies]
    assert headers[0] == headers[1]
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(unwrap, body, headers[0], SECRET) for body in bodies * 8]
        assert all(len(call.result().files) == 4000 for call in calls)
        assert len(set(calls[0].result().dedupe_keys)) == 4000
