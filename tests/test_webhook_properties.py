"""What holds for every delivery: only what was signed comes out, however the body is spelt.

The message is written here anew, after ECMAScript, so that the package is not its own witness.
The rule that the others rest on: what `unwrap` hands out is a function of the signed message.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from extracta_rs.exceptions import SignatureVerificationError, WebhookPayloadError
from extracta_rs.webhooks import WebhookEvent, sign, unwrap, verify_signature

SECRET = "E_AI_K_säcret"
PREFIX = b"E_AI_K_"


# -- The message: `JSON.stringify(value)` ----------------------------------------------------


@dataclass(frozen=True)
class Value:
    """A value as it is signed, and as something on the way may spell it."""

    message: str
    spell: Callable[[random.Random], str]


def plain(text: str) -> Value:
    return Value(text, lambda _: text)


def number_text(value: float) -> str:
    """Write a number as ECMAScript's Number::toString does."""
    if value in (float("inf"), float("-inf")):
        return "null"
    sign_, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    if value == 0:
        return "0"
    assert isinstance(exponent, int)
    text, minus = "".join(map(str, digits)), "-" if sign_ else ""
    point = len(text) + exponent
    if len(text) <= point <= 21:
        return minus + text + "0" * (point - len(text))
    if 0 < point <= 21:
        return f"{minus}{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{minus}{text[0]}{fraction}e{point - 1:+d}"


def number(value: float) -> Value:
    exact = Decimal(value) if abs(value) != float("inf") else None

    def spell(chance: random.Random) -> str:
        if exact is None:
            sign_ = "-" if value < 0 else ""
            return sign_ + chance.choice(["1e400", "1E+999", "1" + "0" * 400, "1.8e308"])
        if value == 0:
            return chance.choice(["0", "-0", "0.00", "-0.0e7", "0E+5", "1e-400"])
        spellings = [repr(value), f"{exact:f}", f"{exact:e}", f"{exact:.17E}", f"{exact:f}0"]
        if abs(value) >= 2**53 + 2:
            spellings += [str(int(exact) + 1), str(int(exact) - 1)]
        return chance.choice([text for text in spellings if float(text) == value and legal(text)])

    return Value(number_text(value), spell)


def legal(number: str) -> bool:
    return re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", number) is not None


def escaped(text: str) -> str:
    """Write a string as `JSON.stringify` does: as Python, but lone surrogates by escapes."""
    written = json.dumps(text, ensure_ascii=False)
    return re.sub("[\ud800-\udfff]", lambda lone: f"\\u{ord(lone[0]):04x}", written)


def string(text: str) -> Value:
    def one(char: str, chance: random.Random) -> str:
        if chance.random() < 0.7:
            return escaped(char)[1:-1]
        if char == "/":
            return "\\/"
        units = char.encode("utf-16-be", "surrogatepass")
        form = chance.choice(["\\u{:02x}{:02x}", "\\u{:02X}{:02X}"])
        return "".join(form.format(*pair) for pair in zip(units[::2], units[1::2], strict=True))

    def spell(chance: random.Random) -> str:
        return '"' + "".join(one(char, chance) for char in text) + '"'

    return Value(escaped(text), spell)


def space(chance: random.Random) -> str:
    return chance.choice(["", "", "", " ", "\n  ", "\t", "\r\n"])


def separated(items: list[str], chance: random.Random) -> str:
    padded = (space(chance) + item + space(chance) for item in items)
    return ",".join(padded) or space(chance)


def array(items: list[Value]) -> Value:
    return Value(
        "[" + ",".join(item.message for item in items) + "]",
        lambda chance: "[" + separated([item.spell(chance) for item in items], chance) + "]",
    )


def is_index(key: str) -> bool:
    return key.isascii() and key.isdigit() and str(int(key)) == key and int(key) < 2**32 - 1


def object_(members: dict[str, Value]) -> Value:
    indices = sorted((key for key in members if is_index(key)), key=int)
    keys = indices + [key for key in members if not is_index(key)]

    def spell(chance: random.Random) -> str:
        written = [
            f"{string(key).spell(chance)}{space(chance)}:{space(chance)}{members[key].spell(chance)}"
            for key in members
        ]
        # An earlier member of the same key fixes the place, but its value does not count.
        if members and chance.random() < 0.2:
            first = next(iter(members))
            written.insert(0, f'{escaped(first)}:["not",{{"this":1}}]')
        if chance.random() < 0.3 and len(keys) > 1:
            # Index keys may stand anywhere, since they come first whatever happens.
            for key in indices:
                written.append(f"{escaped(key)}:{members[key].spell(chance)}")
        return "{" + separated(written, chance) + "}"

    return Value(
        "{" + ",".join(f"{escaped(key)}:{members[key].message}" for key in keys) + "}", spell
    )


# Strings and numbers of which each has one spelling of its length.
SIMPLE_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
SIMPLE = st.one_of(
    SIMPLE_TEXT.map(string),
    st.integers(-(10**14), 10**14).map(lambda n: plain(str(n))),
    st.sampled_from(["null", "true", "false", "1.5", "-0.25"]).map(plain),
)
PIECES = st.characters() | st.sampled_from('\ud83d\ude00\ud800\u2028\0\x1f\x7f"\\/é')
# Two halves side by side are one character.
TEXT = st.text(PIECES, max_size=8).map(
    lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
)
NUMBERS = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(2**70), 2**70).map(float),
    st.sampled_from([0.0, 2.0**53, 1e21, 1e-7, 5e-324, 123456789012345680000.0]),
    st.sampled_from([float("inf"), float("-inf")]),
)
ANY = st.one_of(SIMPLE, TEXT.map(string), NUMBERS.map(number))
NAMES = st.sampled_from(["result", "event", "1", "0", "10", "01", "4294967295", "__proto__"])
KEYS = TEXT | NAMES
SEEDS = st.integers(0, 2**32).map(random.Random)


def nested(
    leaves: st.SearchStrategy[Value], keys: st.SearchStrategy[str]
) -> st.SearchStrategy[Value]:
    return st.recursive(
        leaves,
        lambda values: (
            st.lists(values, max_size=4).map(array)
            | st.dictionaries(keys, values, max_size=4).map(object_)
        ),
        max_leaves=12,
    )


STATUSES = st.sampled_from(["waiting", "processing", "processed", "failed", "archived"])
IDS = st.text("-_abcXYZ019", min_size=1, max_size=6)


@st.composite
def files(
    draw: st.DrawFn,
    leaves: st.SearchStrategy[Value] = ANY,
    names: st.SearchStrategy[str] = KEYS,
) -> Value:
    member = {
        "fileId": IDS.map(string),
        "batchId": IDS.map(string),
        "extractionId": IDS.map(string),
        "status": STATUSES.map(string),
        "result": st.dictionaries(names, nested(leaves, names), max_size=3).map(object_),
        "url": st.just(plain('"https://example.com/a?b=c"')),
        "10": leaves,
    }
    keys = draw(st.lists(st.sampled_from(sorted(member)), unique=True, max_size=7))
    if "result" not in keys and draw(st.integers(0, 7)):
        keys.append("result")
    return object_({key: draw(member[key]) for key in keys})


PLAIN_FILES = files(SIMPLE, SIMPLE_TEXT | NAMES)


@dataclass(frozen=True)
class Delivery:
    """A body, where its signed part is, and what of it is signed."""

    body: bytes
    start: int
    end: int
    message: str
    header: str

    @property
    def signed(self) -> Any:
        return json.loads(self.message)


def header_of(message: str, secret: str = SECRET) -> str:
    key = secret.encode().replace(PREFIX, b"", 1)
    return base64.b64encode(hmac.digest(key, message.encode(), "sha256")).decode()


EVENTS = st.sampled_from(["extraction.processed", "extraction.edited", "classification.x", ""])


@st.composite
def deliveries(
    draw: st.DrawFn,
    listed: st.SearchStrategy[Value] | None = None,
    spelt: bool | None = None,
    least: int = 0,
) -> Delivery:
    """Both generations; `result` anywhere, twice, or spelt by escapes; as signed or re-spelt."""
    items = draw(st.lists(files() if listed is None else listed, max_size=3))
    if least:
        items.append(object_({"fileId": plain('"big"'), "error": string("x" * least)}))
    value = array(items)
    chance = draw(SEEDS)
    spelt = chance.random() < 0.5 if spelt is None else spelt
    part = value.spell(chance) if spelt else value.message
    header = header_of(value.message)
    around = (lambda: space(chance)) if draw(st.booleans()) else (lambda: "")
    kind = draw(st.sampled_from(["current", "current", "legacy", "bare"]))
    if kind == "bare":
        before = around()
        body = before + part + around()
    else:
        name = chance.choice(['"result"', '"result"', r'"\u0072esult"', r'"r\u0065sul\u0074"'])
        others = draw(
            st.lists(st.sampled_from(["decoy", "event", "more", "inner", "long"]), max_size=3)
        )
        members = [other_member(word, chance, kind) for word in others]
        if kind == "current":
            event = draw(EVENTS | SIMPLE_TEXT)
            members.insert(chance.randrange(len(members) + 1), f'"event":{escaped(event)}')
        last_decoy = max(
            (index for index, text in enumerate(members) if text.startswith('"result"')), default=-1
        )
        place = chance.randint(last_decoy + 1, len(members))
        padded = [around() + text + around() for text in members]
        head = f"{around()}{name}{around()}:{around()}"
        before = around() + "{" + "".join(f"{text}," for text in padded[:place]) + head
        behind = "".join(f",{text}" for text in padded[place:])
        body = before + part + around() + behind + "}" + around()
    start = len(before.encode())
    return Delivery(body.encode(), start, start + len(part.encode()), value.message, header)


def other_member(word: str, chance: random.Random, kind: str) -> str:
    if word == "decoy":
        return '"result":' + chance.choice(['[{"fileId":"forged"}]', "null", "[]", '"x"'])
    if word == "event" and kind == "current":
        return '"event":"extraction.failed"'
    if word == "long":
        # Beyond what an implementation may look at from either end.
        return f'"long":{chance.choice(["[[],[],[],[],[],[],[],[],[]]", escaped("]x}" * 2000)])}'
    if word == "inner":
        return '"inner":{"result":[{"fileId":"forged"}],"event":["x"]}'
    return f'"more":{chance.choice(["1e400", "[[]]", "null", "12345678901234567890"])}'


# -- What must hold --------------------------------------------------------------------------


def opened(body: bytes, header: str | None, secret: Any = SECRET) -> WebhookEvent | None:
    """Return what is accepted; None where it is refused. Both functions must agree."""
    verified = verify_signature(body, header, secret)
    try:
        event = unwrap(body, header, secret)
    except SignatureVerificationError:
        assert not verified
        return None
    except WebhookPayloadError:
        # Signed, but `event` is no string: no files are handed out either.
        assert verified
        return None
    assert verified
    return event


def assert_nothing_but_signed(event: WebhookEvent | None, delivery: Delivery) -> None:
    """An accepted body gives the signed files, to the type, the digit and the order of keys."""
    if event is None:
        return
    honest = unwrap(delivery.message, delivery.header, SECRET)
    assert repr(event.to_dict()["result"]) == repr(delivery.signed)
    assert repr([file.to_dict() for file in event.files]) == repr(delivery.signed)
    assert event.files == honest.files
    assert event.dedupe_keys == honest.dedupe_keys


@given(deliveries())
@settings(max_examples=250, deadline=None)
def test_what_was_signed_comes_out_however_it_is_spelt(delivery: Delivery) -> None:
    event = opened(delivery.body, delivery.header)
    assert event is not None
    assert_nothing_but_signed(event, delivery)
    assert event.raw == delivery.body
    assert sign(delivery.body, SECRET) == delivery.header
    if delivery.body[delivery.start : delivery.end] == delivery.message.encode():
        parsed = json.loads(delivery.body)
        result = parsed["result"] if isinstance(parsed, dict) else parsed
        assert repr(event.to_dict()["result"]) == repr(result)


@given(delivery=deliveries(PLAIN_FILES, spelt=False), bit=st.integers(0, 7))
@settings(max_examples=100, deadline=None)
def test_a_flip_in_what_was_signed_is_refused(delivery: Delivery, bit: int) -> None:
    for place in range(delivery.start, delivery.end):
        forged = bytearray(delivery.body)
        forged[place] ^= 1 << bit
        assert opened(bytes(forged), delivery.header) is None, bytes(forged)


@given(delivery=deliveries(), data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_flip_anywhere_never_changes_what_comes_out(
    delivery: Delivery, data: st.DataObject
) -> None:
    """Where numbers are long, or the body was written anew, a flip may be another spelling of the
    same message (`\\u00e9` and `\\u00E9`, a blank and a tab, 2^53 and 2^53 + 1). Outside the signed
    part anything may be flipped that leaves JSON."""
    flips = st.tuples(st.integers(0, len(delivery.body) - 1), st.integers(0, 7))
    for place, bit in data.draw(st.lists(flips, min_size=1, max_size=40)):
        forged = bytearray(delivery.body)
        forged[place] ^= 1 << bit
        assert_nothing_but_signed(opened(bytes(forged), delivery.header), delivery)


@given(delivery=deliveries(), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_flips_outside_never_change_what_comes_out(delivery: Delivery, bit: int) -> None:
    outside = [*range(delivery.start), *range(delivery.end, len(delivery.body))]
    for place in outside:
        forged = bytearray(delivery.body)
        forged[place] ^= 1 << bit
        assert_nothing_but_signed(opened(bytes(forged), delivery.header), delivery)


@given(delivery=deliveries(), place=st.integers(0, 43), bit=st.integers(0, 7))
@settings(max_examples=200, deadline=None)
def test_a_flip_in_the_header_is_refused(delivery: Delivery, place: int, bit: int) -> None:
    forged = bytearray(delivery.header.encode())
    forged[place] ^= 1 << bit
    assert verify_signature(delivery.body, bytes(forged), SECRET) is False


@given(first=deliveries(), second=deliveries(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_nothing_cut_or_spliced_brings_out_what_was_not_signed(
    first: Delivery, second: Delivery, data: st.DataObject
) -> None:
    cuts = st.tuples(st.integers(0, len(first.body)), st.integers(0, len(second.body)))
    forged = [
        # Both bodies one after the other; the files of one in the envelope of the other.
        first.body + second.body,
        first.body[: first.start] + second.body[second.start : second.end]
        + first.body[first.end :],
        first.body[: first.end].rstrip(b"]") + b"," + second.body[second.start + 1 :],
    ]  # fmt: skip
    for left, right in data.draw(st.lists(cuts, min_size=1, max_size=20)):
        forged += [first.body[:left], first.body[left:], first.body[:left] + second.body[right:]]
    forged += [first.body + tail for tail in (b"\0", b" ", b"{}", b',"result":[]}', b"\xff")]
    for body in forged:
        for signed in (first, second):
            assert_nothing_but_signed(opened(body, signed.header), signed)


@given(old=deliveries(spelt=False), new=deliveries())
@settings(max_examples=150, deadline=None)
def test_of_two_results_the_last_counts(old: Delivery, new: Delivery) -> None:
    first, last = (b'"result":' + part.body[part.start : part.end] for part in (old, new))
    both = b'{"event":"a.b",' + first + b"," + last + b"}"
    event = opened(both, new.header)
    assert event is not None
    assert_nothing_but_signed(event, new)
    assert (opened(both, old.header) is None) == (old.message != new.message)


# -- Secrets ---------------------------------------------------------------------------------


def key_block(secret: str | bytes) -> bytes:
    """Return the block that HMAC makes of a secret: secrets of the same block are the same key.

    The first `E_AI_K_` is removed. RFC 2104 then replaces a key of more than 64 bytes by its
    SHA-256 and fills up with NULs, so that trailing NULs make no other key, and a long key has a
    short twin of 32 bytes, which is as hard to guess as itself.
    """
    key = without_prefix(secret)
    return (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")


def without_prefix(secret: str | bytes) -> bytes:
    return (secret.encode() if isinstance(secret, str) else secret).replace(PREFIX, b"", 1)


def usable(secret: str | bytes) -> bool:
    """Tell whether it is not the empty key, which NULs alone are too."""
    return any(without_prefix(secret))


SECRETS = (
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
    | st.binary(min_size=1, max_size=140)
    | st.sampled_from(["E_AI_K_E_AI_K_x", "xE_AI_K_y", b"k" * 63, b"k" * 64, b"k" * 65])
).filter(lambda secret: usable(secret))


def neighbours(secret: str | bytes, chance: random.Random) -> list[bytes]:
    """Return secrets that are nearly the same."""
    key = secret.encode() if isinstance(secret, str) else secret
    flipped = bytearray(key)
    flipped[chance.randrange(len(key))] ^= 1 << chance.randrange(8)
    return [
        bytes(flipped), key[:-1], key[1:], key + b"\n", b" " + key, key + b"\0", key.swapcase(),
        PREFIX + key, PREFIX + PREFIX + key, b"e_ai_k_" + key, key[::-1], key + key,
        hashlib.sha256(key).digest(), key.hex().encode(), base64.b64encode(key),
    ]  # fmt: skip


@given(delivery=deliveries(), secret=SECRETS, other=SECRETS, chance=SEEDS)
@settings(max_examples=200, deadline=None)
def test_a_body_signed_with_one_secret_is_refused_by_every_other(
    delivery: Delivery, secret: str | bytes, other: str | bytes, chance: random.Random
) -> None:
    header = sign(delivery.body, secret)
    assert verify_signature(delivery.body, header, secret)
    for candidate in [other, *neighbours(secret, chance)]:
        if usable(candidate):
            same = key_block(candidate) == key_block(secret)
            assert (opened(delivery.body, header, candidate) is not None) is same
        else:
            with pytest.raises(ValueError, match="secret"):
                verify_signature(delivery.body, header, candidate)


@given(delivery=deliveries(), secrets=st.lists(SECRETS, min_size=1, max_size=4), data=st.data())
@settings(max_examples=100, deadline=None)
def test_the_order_of_secrets_makes_no_difference(
    delivery: Delivery, secrets: list[str | bytes], data: st.DataObject
) -> None:
    signer = data.draw(st.sampled_from(secrets) | SECRETS)
    header = sign(delivery.body, signer)
    known = any(key_block(signer) == key_block(secret) for secret in secrets)
    alone = unwrap(delivery.body, header, signer)
    for order in itertools.permutations(secrets):
        event = opened(delivery.body, header, order)
        assert (event is not None) is known
        if event is not None:
            assert repr(event.to_dict()) == repr(alone.to_dict())
            assert event.dedupe_keys == alone.dedupe_keys


def test_an_unusable_secret_among_good_ones_is_never_skipped() -> None:
    for unusable in ("", "E_AI_K_", b"\0", b"E_AI_K_\0\0"):
        for secrets in ([SECRET, unusable], [unusable, SECRET]):
            with pytest.raises(ValueError, match="secret"):
                verify_signature(b"[]", sign(b"[]", SECRET), secrets)


# -- Types, sizes, keys ----------------------------------------------------------------------


@given(deliveries())
@settings(max_examples=100, deadline=None)
def test_a_body_of_every_type_has_the_same_signature(delivery: Delivery) -> None:
    body = delivery.body
    forms: list[Any] = [body, bytearray(body), memoryview(body), body.decode()]
    for form in forms:
        assert sign(form, SECRET) == delivery.header
        for secret in (SECRET, SECRET.encode(), SECRET.removeprefix("E_AI_K_")):
            assert verify_signature(form, delivery.header, secret)
            assert unwrap(form, delivery.header, secret).raw == body
        assert not verify_signature(form, sign(form, "another"), SECRET)


@pytest.mark.parametrize("size", [64 * 1024 - 600, 64 * 1024, 512 * 1024])
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_large_bodies_are_no_exception(size: int, data: st.DataObject) -> None:
    delivery = data.draw(deliveries(least=size))
    event = opened(delivery.body, delivery.header)
    assert event is not None
    assert_nothing_but_signed(event, delivery)
    places = st.integers(0, len(delivery.body) - 1) | st.sampled_from(
        [delivery.start, delivery.end - 1, delivery.start - 1, 64 * 1024 % len(delivery.body)]
    )
    for place in data.draw(st.lists(places, min_size=1, max_size=6)):
        forged = bytearray(delivery.body)
        forged[place] ^= 1 << data.draw(st.integers(0, 7))
        assert_nothing_but_signed(opened(bytes(forged), delivery.header), delivery)
        assert_nothing_but_signed(opened(delivery.body[:place], delivery.header), delivery)


KEYED = ("extractionId", "batchId", "fileId", "status", "result")


def identity(file: dict[str, Any]) -> str:
    """Return what a key stands for; what a file lacks counts as null."""
    return repr([file.get(name) for name in KEYED])


@given(deliveries())
@example(Delivery(b'[{"status":null},{}]', 0, 20, '[{"status":null},{}]', ""))
@settings(max_examples=200, deadline=None)
def test_two_files_share_a_key_only_if_they_are_in_the_same_state(
    delivery: Delivery,
) -> None:
    keys = unwrap(delivery.body, header_of(delivery.message), SECRET).dedupe_keys
    states = [identity(file) for file in delivery.signed]
    assert len(keys) == len(states)
    for (one, key), (other, its_key) in itertools.combinations(zip(states, keys, strict=True), 2):
        assert (one == other) == (key == its_key)
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


CHANGES = st.sampled_from(KEYED).flatmap(
    lambda name: st.tuples(
        st.just(name), STATUSES if name == "status" else st.just({"n": 1}) | IDS | st.none()
    )
)


@given(file=files(), change=CHANGES, url=SIMPLE_TEXT)
@settings(max_examples=200, deadline=None)
def test_a_key_changes_with_what_it_stands_for_and_with_nothing_else(
    file: Value, change: tuple[str, Any], url: str
) -> None:
    name, new = change
    before = json.loads(file.message)
    after = {**before, name: new, "url": url, "error": "new"}

    def key(file: dict[str, Any]) -> str:
        body = json.dumps([file])
        (found,) = unwrap(body, sign(body, SECRET), SECRET).dedupe_keys
        return found

    assert (key(before) == key(after)) == (identity(before) == identity(after))
