"""Signatures that Node made: those kept in `vectors/webhooks.json`, and of generated bodies where
`node` is installed. The core's tests compare thousands more."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extracta_rs.exceptions import SignatureVerificationError, WebhookPayloadError
from extracta_rs.webhooks import sign, unwrap, verify_signature

VECTORS = json.loads((Path(__file__).parent / "vectors/webhooks.json").read_text("utf-8"))
SIGNED = [pytest.param(vector, id=vector["name"]) for vector in VECTORS["signed"]]
REFUSED = [pytest.param(vector, id=vector["name"]) for vector in VECTORS["refused"]]


@pytest.mark.parametrize("vector", SIGNED)
def test_what_node_signed_is_verified(vector: dict[str, Any]) -> None:
    body, header, secret = vector["body"], vector["header"], vector["secret"]
    assert verify_signature(body, header, secret) is True
    assert verify_signature(body.encode(), header.encode(), secret.encode()) is True
    assert verify_signature(body, header, "another") is False
    assert sign(body, secret) == header


@pytest.mark.parametrize("vector", SIGNED)
def test_what_node_signed_is_unwrapped(vector: dict[str, Any]) -> None:
    body, header, secret = vector["body"], vector["header"], vector["secret"]
    result, parsed = json.loads(vector["message"]), json.loads(body)
    of_files = isinstance(result, list) and all(isinstance(file, dict) for file in result)
    named = isinstance(parsed, list) or isinstance(parsed.get("event", ""), str | None)
    if not (of_files and named):
        with pytest.raises(WebhookPayloadError):
            unwrap(body, header, secret)
        return
    event = unwrap(body, header, secret)
    envelope = parsed if isinstance(parsed, dict) else {}
    assert event.to_dict() == {**envelope, "result": result}
    assert event.dedupe_keys == vector["dedupe_keys"]
    assert event.raw == body.encode()
    assert (event.event is None) == ("event" not in parsed or parsed["event"] is None)


@pytest.mark.parametrize("vector", REFUSED)
def test_what_is_not_signed_is_refused(vector: dict[str, Any]) -> None:
    body, header, secret = vector["body"], vector["header"], vector["secret"]
    assert verify_signature(body, header, secret) is False
    with pytest.raises(SignatureVerificationError) as caught:
        unwrap(body, header, secret)
    assert caught.value.reason == vector["reason"]
    assert "0123456789abcdef" not in repr(caught.value) + str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).reason == vector["reason"]


NODE = """
const { createHmac } = require("node:crypto");
const lines = require("node:readline").createInterface({ input: process.stdin });
lines.on("line", (line) => {
  let answer = "refused";
  try {
    const message = JSON.stringify(JSON.parse(Buffer.from(line, "base64").toString()).result);
    answer = createHmac("sha256", "secret").update(message).digest("base64");
  } catch {}
  process.stdout.write(answer + "\\n");
});
"""


@pytest.fixture(scope="module")
def node() -> Iterator[Callable[[str], str]]:
    """Ask Node for the signature of a body."""
    if shutil.which("node") is None:
        required = os.environ.get("EXTRACTA_TESTS_REQUIRE", "").split(",")
        missing = pytest.fail if "node" in required else pytest.skip
        missing("`node` is not installed, so nothing is compared with V8")
    with subprocess.Popen(
        ["node", "-e", NODE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None

        def ask(body: str) -> str:
            stdin.write(base64.b64encode(body.encode()).decode() + "\n")
            stdin.flush()
            return stdout.readline().strip()

        yield ask
        stdin.close()


NUMBERS = st.one_of(
    st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers().map(str),
)
PIECES = st.one_of(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'),
    st.integers(0, 0xFFFF).map("\\u{:04x}".format),
    st.integers(0xD7F0, 0xE00F).map("\\u{:04X}".format),
    st.sampled_from(["\\n", "\\/", '\\"', "\\\\", "\\b", "\\f", "\\r", "\\t", "\x7f"]),
)
STRINGS = st.lists(PIECES, max_size=8).map(lambda pieces: '"' + "".join(pieces) + '"')
KEYS = STRINGS | st.sampled_from(
    ["a", "\\u0061", "1", "0", "10", "01", "4294967294", "4294967295", "__proto__", "toJSON", ""]
).map('"{}"'.format)
SPACES = st.sampled_from(["", "", " ", "\n", "\r\t"])


def joined(items: st.SearchStrategy[str], brackets: str) -> st.SearchStrategy[str]:
    return st.tuples(st.lists(items, max_size=6), SPACES).map(
        lambda drawn: brackets[0] + (drawn[1] + "," + drawn[1]).join(drawn[0]) + brackets[1]
    )


VALUES = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["null", "true", "false"]),
    lambda values: (
        joined(values, "[]")
        | joined(st.tuples(KEYS, SPACES, values).map(lambda kv: f"{kv[0]}{kv[1]}:{kv[2]}"), "{}")
    ),
    max_leaves=20,
)


@given(value=VALUES)
@settings(max_examples=800, deadline=None)
def test_signatures_are_those_of_node(node: Callable[[str], str], value: str) -> None:
    body = f'{{"event":"a.b","result" :{value} }}'
    header = node(body)
    assert sign(body, "secret") == header
    assert verify_signature(body, header, "secret")


@given(value=VALUES, place=st.floats(0, 1), put=st.sampled_from('"\\,:{}[]0-.e +\n\x00'))
@settings(max_examples=500, deadline=None)
def test_broken_bodies_are_broken_for_node_too(
    node: Callable[[str], str], value: str, place: float, put: str
) -> None:
    at = int(place * len(value))
    body = f'{{"result":{value[:at]}{put}{value[at:]}}}'
    try:
        ours = sign(body, "secret")
    except ValueError:
        ours = "refused"
    assert ours == node(body)
