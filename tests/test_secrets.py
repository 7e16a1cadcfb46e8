"""No key, secret or password is in what a program shows, logs, raises or pickles."""

from __future__ import annotations

import base64
import io
import logging
import pickle
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from extracta_rs import (
    APIConnectionError,
    APIError,
    AsyncClient,
    AuthenticationError,
    Client,
    ConfigurationError,
    ExtractaError,
    ResponseFormatError,
    SignatureVerificationError,
    UploadOutcomeUnknownError,
    WaitTimeoutError,
)
from extracta_rs.testing import Emulator

KEY = "SECRET-KEY-123"
WEBHOOK_SECRET = "E_AI_K_SECRET-HOOK-456"
PASSWORD = "SECRET-PASSWORD-789"
PROXY = f"http://SECRET-USER:{PASSWORD}@127.0.0.1:1"
SECRETS = [
    KEY,
    WEBHOOK_SECRET,
    "SECRET-HOOK",
    PASSWORD,
    base64.b64encode(f"SECRET-USER:{PASSWORD}".encode()).decode(),
]
WITH_SECRETS = pytest.mark.extracta_emulator(api_key=KEY, webhook_secret=WEBHOOK_SECRET)


def shown(thing: object) -> Iterator[str]:
    """Return every form in which something can come to light."""
    yield from (repr(thing), str(thing), f"{thing}", ascii(thing))
    yield pickle.dumps(thing).decode("latin-1")
    if isinstance(thing, BaseException):
        yield "".join(traceback.format_exception(thing))
        while thing is not None:
            yield repr([vars(thing), thing.args, getattr(thing, "__notes__", ())])
            thing = thing.__cause__ or thing.__context__


def assert_clean(*things: object) -> None:
    for thing in things:
        for text in shown(thing):
            for secret in SECRETS:
                assert secret not in text


@pytest.fixture(autouse=True)
def clean_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Log everything; nothing of it may hold a secret."""
    with caplog.at_level(logging.DEBUG):
        yield
        for record in caplog.get_records("call"):
            for secret in SECRETS:
                assert secret not in f"{record.getMessage()} {vars(record)}"


@pytest.fixture
def secretive(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Build a face that knows secrets."""
    return lambda **settings: connect(
        **{"api_key": KEY, "webhook_secret": WEBHOOK_SECRET, "max_retries": 1, **settings}
    )


def fails(error: type[BaseException], call: Any, *args: Any, **keywords: Any) -> BaseException:
    with pytest.raises(error) as raised:
        call(*args, **keywords)
    return raised.value


@WITH_SECRETS
def test_a_client_shows_nothing(secretive: Any, caplog: pytest.LogCaptureFixture) -> None:
    face = secretive(proxy=PROXY)
    client = face.client
    batch = client.resume('{"v":1,"kind":"extraction","id":"-x","batchId":"-b"}')
    assert_clean(client, batch)
    assert_clean(batch.token())
    for part in (client.extractions, client.classifications, client._raw, client.credits):
        assert not any(secret in repr(part) for secret in SECRETS)
    assert repr(client) == f"{type(client).__name__}(base_url={client.base_url!r})"
    client.close()
    assert repr(client).endswith(", closed)")


@WITH_SECRETS
def test_a_day_s_work_logs_no_secret(
    secretive: Any, extracta_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    face = secretive()
    assert face("credits") > 0
    made = face("extractions.create", "Bills", fields=[{"key": "total"}])
    extracta_emulator.faults.add("uploadFiles", status=429, retry_after=0)
    extracta_emulator.faults.add("getBatchResults", status=500)
    extracta_emulator.faults.add("getBatchResults", body='{"status": "odd"}')
    results = face("extractions.run", made.extraction_id, ("a", b"a"), poll_interval=0, backoff=1)
    assert_clean(made, results, *results)
    levels: set[str] = set()
    # What the client does in the background is logged from a thread of its own.
    until = time.monotonic() + 10
    while len(levels) < 3 and time.monotonic() < until:
        time.sleep(0.01)
        levels = {record.levelname for record in caplog.records if record.name == "extracta_rs"}
    assert levels == {"DEBUG", "INFO", "WARNING"}
    assert extracta_emulator.requests()[0].header("authorization") == f"Bearer {KEY}"


@WITH_SECRETS
def test_errors_show_nothing(secretive: Any, extracta_emulator: Emulator) -> None:
    face = secretive(timeout=0.3)
    wrong = secretive(api_key="SECRET-KEY-123-WRONG")
    errors = [fails(AuthenticationError, wrong, "credits")]
    for fault in (
        {"status": 500},
        {"cut": "after"},
        {"delay": 1},
        {"body": "<html>"},
        {"status": 302, "headers": {"Location": "https://elsewhere/"}},
    ):
        extracta_emulator.faults.add("credits", times=2, **fault)  # type: ignore[arg-type]
        errors.append(fails(ExtractaError, face, "credits"))
        extracta_emulator.faults.clear()
    extracta_emulator.faults.add("uploadFiles", cut="after")
    file = ("a", io.BytesIO(b"a"))
    errors.append(fails(UploadOutcomeUnknownError, face, "extractions.upload", "-x", file))
    extracta_emulator.faults.add("getBatchResults", times=None, status=500)
    options = {"timeout": 0.1, "poll_interval": 0.01}
    errors.append(fails(WaitTimeoutError, face, "extractions.wait", "-x", "-b", **options))
    forged = fails(SignatureVerificationError, face.client.unwrap, b'{"result":[]}', "AAAA")
    face.client.close()
    closed = fails(ExtractaError, face, "credits")
    assert_clean(*errors, forged, closed)


@WITH_SECRETS
@pytest.mark.parametrize("status", [401, 200, 302])
def test_a_key_that_the_service_repeats_is_hidden(
    status: int, secretive: Any, extracta_emulator: Emulator
) -> None:
    bodies = [
        f'{{"message": "Incorrect API key provided: {KEY}"}}',
        f"<html>Bearer {KEY} and {KEY}</html>",
        "x" * (2048 - 5) + KEY,  # The key is cut where the body is.
        f'{{"message": "{"m" * 495}{KEY}"}}',
    ]
    face = secretive()
    for body in bodies:
        extracta_emulator.faults.add("credits", status=status, body=body)
        error = fails(ExtractaError, face, "credits")
        assert isinstance(error, (AuthenticationError, ResponseFormatError))
        assert_clean(error)
        assert "SECRET" not in error.body
        assert "***" in error.body or len(error.body) == 2048


@pytest.mark.parametrize("way", ["refused", "answers", "tunnel"])
def test_a_proxy_s_password_is_not_shown(way: str, secretive: Any, raw_server: Any) -> None:
    raw_server.answer(b"proxy authentication required", status="407 Oops")
    proxy = PROXY if way == "refused" else PROXY.replace("127.0.0.1:1", raw_server.url[7:])
    face = secretive(
        base_url="https://api.invalid" if way == "tunnel" else "http://api.invalid/v1",
        allow_insecure_http=True,
        proxy=proxy,
        max_retries=0,
    )
    error = fails(APIError if way == "answers" else APIConnectionError, face, "credits")
    assert_clean(error, face.client)
    if way != "refused":
        (request,) = raw_server.requests
        assert SECRETS[-1].encode() in request
        # A tunnel's request is readable on the way; the key goes through the tunnel only.
        assert (KEY.encode() in request) == (way == "answers")


SETTINGS: list[tuple[str, list[Any]]] = [
    ("api_key", ["", "  ", f"{KEY} {KEY}", f"{KEY}\nX-Evil: 1", f"{KEY}é", f"{KEY}\0"]),
    (
        "base_url",
        [
            "api.extracta.ai",
            "not a URL",
            "ftp://api.extracta.ai",
            "https://",
            f"https://user:{PASSWORD}@api.extracta.ai",
            f"https://{PASSWORD}@api.extracta.ai",
            f"https://api.extracta.ai/?key={PASSWORD}",
            f"https://api.extracta.ai/#{PASSWORD}",
            f"https://user:{PASSWORD}@api.extracta.ai:notaport",
            "http://api.extracta.ai",
            "http://192.168.0.1",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://0.0.0.0:8000",
        ],
    ),
    ("timeout", [0, -1, float("nan"), float("inf")]),
    ("connect_timeout", [0, -0.5, float("nan"), float("inf")]),
    ("min_poll_spacing", [-1, float("nan"), float("inf")]),
    ("max_retries", [-1, 2**32, 2**70]),
    ("max_connections", [0, -1, 2**70]),
    (
        "proxy",
        [
            "",
            "::",
            f"http://u:{PASSWORD}@h:port",
            f"ftp://u:{PASSWORD}@h",
            f"socks6://u:{PASSWORD}@h",
        ],
    ),
    ("ca_bundle", ["/missing.pem", "/", "/dev/null", __file__]),
    ("user_agent", ["a\r\nX-Evil: 1", "\0", "\x7f"]),
]


@pytest.mark.parametrize(("setting", "values"), SETTINGS)
def test_a_bad_setting_is_named(setting: str, values: list[Any], kind: str) -> None:
    face: Any = Client if kind == "blocking" else AsyncClient
    for value in values:
        settings = {"api_key": KEY, "proxy": PROXY, "webhook_secret": WEBHOOK_SECRET}
        error = fails(ConfigurationError, face, **{**settings, setting: value})
        assert str(error).startswith(f"{setting}: "), value
        assert_clean(error)
        assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "http://localhost"},
        {"base_url": "HTTP://LocalHost:8000/api/"},
        {"base_url": "http://127.5.5.5"},
        {"base_url": "http://[::1]:8000"},
        {"base_url": "http://192.168.0.1", "allow_insecure_http": True},
        {"base_url": " https://api.extracta.ai/api/v1/ "},
        {"timeout": 1e19, "connect_timeout": 1e19, "min_poll_spacing": 0},
        {"max_connections": 2**32 - 1, "max_retries": 2**31},
        {"proxy": "HTTP://proxy:3128", "user_agent": "mine/1.0"},
        {"proxy": "proxy:3128"},
        {"proxy": "socks5h://user:password@proxy:1080"},
    ],
)
def test_good_settings(settings: dict[str, Any], kind: str) -> None:
    face: Any = Client if kind == "blocking" else AsyncClient
    face(KEY, **settings).close()


def test_endless_times_are_no_reason_to_crash(connect: Any, extraction_id: str) -> None:
    settings = {"timeout": 1e19, "connect_timeout": 1e19, "max_connections": 2**32 - 1}
    face = connect(**settings)
    assert face("credits") > 0
    face("extractions.upload", extraction_id, ("a", b"a"))


def test_no_key(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    face: Any = Client if kind == "blocking" else AsyncClient
    monkeypatch.delenv("EXTRACTA_API_KEY", raising=False)
    assert "set EXTRACTA_API_KEY" in str(fails(ConfigurationError, face))
    for empty in ("", " "):
        monkeypatch.setenv("EXTRACTA_API_KEY", empty)
        assert str(fails(ConfigurationError, face)).startswith("api_key: ")
    monkeypatch.setenv("EXTRACTA_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("EXTRACTA_BASE_URL", "https://other.example/api")
    client = face()
    assert client.base_url == "https://other.example/api"
    assert_clean(client)
    without = fails(ConfigurationError, client.verify_signature, b"{}", "AAAA")
    assert str(without).startswith("webhook_secret: ")


@WITH_SECRETS
def test_a_pickled_client_takes_its_key_from_its_new_environment(
    secretive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EXTRACTA_API_KEY", raising=False)
    face = secretive(timeout=7, user_agent="mine/1.0")
    pickled = pickle.dumps(face.client)
    assert "set EXTRACTA_API_KEY" in str(fails(ConfigurationError, pickle.loads, pickled))
    monkeypatch.setenv("EXTRACTA_API_KEY", KEY)
    face.client = pickle.loads(pickled)
    assert face("credits") > 0
    assert face.client._settings["timeout"] == 7
    face.client.close()
