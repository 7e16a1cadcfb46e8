"""`unwrap` with signed deliveries that chance has changed: what it hands out is what was signed."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from extracta_rs.exceptions import SignatureVerificationError, WebhookPayloadError
from extracta_rs.webhooks import sign, unwrap, verify_signature

SECRET = "E_AI_K_fuzz"
REASONS = {
    "missing_header", "not_base64", "wrong_length", "malformed_body", "no_result", "mismatch",
}  # fmt: skip
CHANCE = st.randoms(use_true_random=False)

TEXTS = st.text(max_size=8) | st.sampled_from(
    ["\ud83d", "😀", '"]', '": ', '"result":', "\u2028", "\x7f", "\0", "\ufeff", "\\"]
)
NUMBERS = (
    st.integers()
    | st.integers(2**53 - 3, 2**53 + 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([-0.0, 1.0, 1e21, 1e-7, 5e-324])
)
KEYS = TEXTS | st.sampled_from(["fileId", "result", "event", "0", "10", "9", "__proto__", "toJSON"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda values: st.lists(values, max_size=4) | st.dictionaries(KEYS, values, max_size=4),
    max_leaves=12,
)
FILES = st.dictionaries(
    st.sampled_from(["fileId", "status", "result", "extractionId", "batchId", "url", "error"]),
    VALUES,
    max_size=6,
)
DELIVERED = st.lists(FILES, max_size=4)
RESULTS = st.one_of(DELIVERED, DELIVERED, DELIVERED, st.lists(VALUES, max_size=3), VALUES)
NAMES = st.sampled_from(["extraction.processed", "a", "", "classification.x.y", None]) | TEXTS
EVENTS = NAMES | NAMES | VALUES


def spell(value: Any, chance: Random) -> str:
    """Write JSON as somebody on the way might."""

    def space() -> str:
        return chance.choice(["", "", "", " ", "\n", "\t\r"])

    if isinstance(value, dict):
        members = [(key, value[key]) for key in value]
        if members and chance.random() < 0.1:  # an earlier value, which does not count
            members.insert(0, (chance.choice(members)[0], chance.choice([0, "old", []])))
        inner = [f"{spell(key, chance)}{space()}:{spell(item, chance)}" for key, item in members]
        return space() + "{" + space() + ",".join(inner) + "}" + space()
    if isinstance(value, list):
        return space() + "[" + ",".join(spell(item, chance) for item in value) + space() + "]"
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    text = "".join(f"\\u{ord(char):04x}" if "\ud800" <= char <= "\udfff" else char for char in text)
    if isinstance(value, int) and not isinstance(value, bool):
        text += chance.choice(["", "", ".0", "e0", "E+00"])
    return space() + text + space()


def lay_out(result: str, event: str, chance: Random) -> str:
    layout = chance.choice(
        [
            '{"event":E,"result":R}',
            '{"result":R,"event":E}',
            '{"event":E,"result":[{"fileId":"forged"}],"result":R,"x":{"result":[]}}',
            '{"r\\u0065sult":[0],"z":"\\"result\\":[1]","event":E , "result" : R }',
            '{"result":R}',
            "R",
        ]
    )
    return re.sub("[ER]", lambda place: event if place[0] == "E" else result, layout)


def change(body: bytes, chance: Random) -> bytes:
    """Change a few bytes, or move some."""
    out = bytearray(body)
    for _ in range(chance.randrange(1, 3)):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(7)
        if kind == 0:
            del out[at : at + chance.randrange(1, 4)]
        elif kind == 1 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            start = chance.randrange(len(out) + 1)
            out[at:at] = out[start : start + chance.randrange(1, 30)]
        elif kind == 3:
            out[at:at] = b'"result":[{"fileId":"forged"}],'
        elif kind == 4 and b"," in out[at:]:
            at = out.index(b",", at)
            out[at:at] = chance.choice([b" ", b"\n", b"\r\t", b"\x0b"])
        elif kind == 5:
            out[at:at] = chance.choice([b" ", b"\n", b"\xff", b"\xef\xbb\xbf", b"\0", b",", b"1"])
        else:
            out[at:at] = chance.choice([b'"', b"\\", b"]", b"}", b"[", b"{", b"0", b"e5", b"-"])
    return bytes(out)


def same(ours: Any, plain: Any) -> bool:
    """Tell whether a value is one that Python reads, but with the numbers that JavaScript keeps."""
    if isinstance(ours, dict) and isinstance(plain, dict):
        return ours.keys() == plain.keys() and all(same(ours[key], plain[key]) for key in ours)
    if isinstance(ours, list) and isinstance(plain, list):
        return len(ours) == len(plain) and all(map(same, ours, plain))
    if isinstance(plain, int | float) and not isinstance(plain, bool):
        try:
            double = float(plain)
        except OverflowError:
            double = float("inf")
        if abs(double) == float("inf"):
            return ours is None
        return type(ours) in (int, float) and float(ours) == double
    return type(ours) is type(plain) and bool(ours == plain)


def check(body: bytes, header: str) -> str:
    """Check all that `unwrap` promises of a delivery; return what became of it."""
    if not verify_signature(body, header, SECRET):
        with pytest.raises(SignatureVerificationError) as caught:
            unwrap(body, header, SECRET)
        assert caught.value.reason in REASONS
        return "refused"
    try:
        delivery = unwrap(body, header, SECRET)
    except WebhookPayloadError:
        return "no delivery"
    assert sign(body, SECRET) == header, "accepted, but not what was signed"
    assert delivery.raw == body
    parsed = json.loads(body)
    legacy = isinstance(parsed, list)
    expected = parsed if legacy else parsed["result"]
    data = delivery.to_dict()
    assert same(data["result"], expected)
    assert data["result"] is delivery.to_dict()["result"]
    assert [file.to_dict() for file in delivery.files] == data["result"]
    assert len(delivery.dedupe_keys) == len(delivery.files)
    assert all(len(key) == 64 for key in delivery.dedupe_keys)
    assert delivery.event == (None if legacy else parsed.get("event"))
    assert delivery.event_consistent in (True, False)
    if not legacy:
        assert data.keys() == parsed.keys()
    return "accepted"


@given(result=RESULTS, name=EVENTS, chance=CHANCE)
@settings(max_examples=250, deadline=None)
def test_what_is_handed_out_is_what_was_signed(result: Any, name: Any, chance: Random) -> None:
    body = lay_out(spell(result, chance), spell(name, chance), chance).encode()
    try:
        header = sign(body, SECRET)
    except ValueError:  # a bare value that is no list
        assert not isinstance(result, list)
        with pytest.raises(SignatureVerificationError):
            unwrap(body, "A" * 43 + "=", SECRET)
        return
    outcome = check(body, header)
    event(outcome)
    assert outcome != "refused"
    assert check(body, sign(body, "another")) == "refused"


@given(result=RESULTS, name=EVENTS, chance=CHANCE)
@settings(max_examples=600, deadline=None)
def test_a_changed_delivery_is_refused_or_says_the_same(
    result: Any, name: Any, chance: Random
) -> None:
    body = lay_out(spell(result, chance), spell(name, chance), chance).encode()
    try:
        header = sign(body, SECRET)
    except ValueError:
        header = "A" * 43 + "="
    event(check(change(body, chance), header))


@given(body=st.binary(max_size=60), header=st.text(max_size=50) | st.binary(max_size=50).map(repr))
@settings(max_examples=200, deadline=None)
def test_noise_is_refused(body: bytes, header: str) -> None:
    assert verify_signature(body, header, SECRET) is False
    with pytest.raises(SignatureVerificationError) as caught:
        unwrap(body, header, SECRET)
    assert caught.value.reason in REASONS
