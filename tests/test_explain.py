"""`explain_signature` and its report: values, arguments, and what chance and size do to it."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import hmac
import json
import pickle
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extracta_rs import AsyncClient, Client, explain_signature
from extracta_rs.exceptions import ConfigurationError
from extracta_rs.webhooks import SignatureReason, sign, verify_signature

KEY = "säcret-0123456789abcdef"
SECRET = f"E_AI_K_{KEY}"
BODY = json.dumps({"event": "a.b", "result": [{"fileId": "ü", "n": [1, None, True]}]})
HEADER = sign(BODY, SECRET)
REASONS = get_args(SignatureReason)
PROVED = REASONS[REASONS.index("hex_signature") : REASONS.index("looks_hex")]


def test_a_report_is_a_frozen_value() -> None:
    report = explain_signature(BODY, HEADER, SECRET)
    assert pickle.loads(pickle.dumps(report)) == report
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.valid = False  # type: ignore[misc]


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_explains_with_its_secret(kind: Any) -> None:
    client = kind("key", webhook_secret=["old", SECRET])
    report = client.explain_signature(BODY, HEADER)
    assert (report.valid, report.secret_index) == (True, 1)
    client.close()
    without = kind("key")
    with pytest.raises(ConfigurationError, match="webhook_secret"):
        without.explain_signature(BODY, HEADER)
    without.close()


@pytest.mark.parametrize(
    "arguments",
    [
        ({}, "x", SECRET),
        ([], "x", SECRET),
        (None, "x", SECRET),
        (b"", 1, SECRET),
        (b"", "x", 1),
        (b"", "x", [SECRET, 1]),
        (b"", "x", []),
        (b"", "x", ""),
        (b"", "x", [SECRET, "E_AI_K_"]),
        (b"", "x", f"{SECRET}\ud800"),
    ],
)
def test_arguments_are_refused_as_verify_signature_refuses_them(arguments: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as theirs:
        verify_signature(*arguments)
    with pytest.raises((TypeError, ValueError)) as ours:
        explain_signature(*arguments)
    assert repr(ours.value) == repr(theirs.value)
    assert KEY not in repr(ours.value)


def _as_bytes(secret: str | bytes) -> bytes:
    return secret.encode() if isinstance(secret, str) else secret


SECRETS = st.one_of(st.text(min_size=1), st.binary(min_size=1), st.just(SECRET)).filter(
    lambda secret: (
        not _surrogates(secret) and _as_bytes(secret).replace(b"E_AI_K_", b"").strip(b"\0")
    )
)
HEADERS = st.one_of(st.none(), st.text(), st.binary(), st.binary(min_size=32, max_size=32))
SEEDS = [
    BODY, BODY.encode().decode("latin-1"), BODY.encode("utf-16"), str(json.loads(BODY)),
    str(BODY.encode()), json.dumps(BODY), base64.b64encode(BODY.encode()), gzip.compress(b"[]"),
]  # fmt: skip
BODIES = st.one_of(
    st.binary(),
    st.text(),
    st.builds(
        lambda seed, at, put: seed[: at % len(seed)] + type(seed)(put) + seed[at % len(seed) :],
        st.sampled_from([seed.encode() if isinstance(seed, str) else seed for seed in SEEDS]),
        st.integers(0, 300),
        st.binary(max_size=3),
    ),
)


def _surrogates(secret: str | bytes) -> bool:
    return isinstance(secret, str) and any("\ud800" <= char <= "\udfff" for char in secret)


@given(body=BODIES, header=HEADERS, secrets=st.lists(SECRETS, min_size=1, max_size=3))
@settings(max_examples=500, deadline=None)
def test_what_came_over_the_network_never_raises_and_chance_proves_nothing(
    body: Any, header: Any, secrets: list[Any]
) -> None:
    encoded = base64.b64encode(header) if isinstance(header, bytes) else header
    for value in (header, encoded):
        report = explain_signature(body, value, secrets)
        assert report.valid == verify_signature(body, value, secrets) is False
        assert report.reason not in PROVED
        assert report.secret_index is None


@given(body=BODIES, secrets=st.lists(SECRETS, min_size=1, max_size=3), place=st.integers(0, 2))
@settings(max_examples=500, deadline=None)
def test_valid_is_what_verify_signature_says(body: Any, secrets: list[Any], place: int) -> None:
    try:
        header = sign(body, secrets[place % len(secrets)])
    except ValueError:
        header = base64.b64encode(hmac.digest(b"x", repr(body).encode(), hashlib.sha256)).decode()
    for verified in (body, BODY):
        report = explain_signature(verified, header, secrets)
        assert report.valid is verify_signature(verified, header, secrets)
        assert (report.reason == "valid") is report.valid
        assert (report.matched is not None) is report.valid


def test_a_large_body_is_explained_in_bounded_time() -> None:
    files = [{"fileId": f"é{number}", "n": number} for number in range(60_000)]
    body = json.dumps({"event": "a.b", "result": files}, ensure_ascii=False).encode()
    header = sign(body, SECRET)
    assert explain_signature(body.decode("latin-1"), header, SECRET).reason == "decoded_as_latin1"
    assert explain_signature(str(json.loads(body)), header, SECRET).reason == "python_dict"
    assert explain_signature(body, sign(body, "other"), SECRET).reason == "mismatch"
