"""The page of `extracta-rs listen` and its API, seen from where they must not be reached."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest

from extracta_rs import SIGNATURE_HEADER, sign

SECRET = "E_AI_K_listen-säcret"
BODY = (
    b'{"event":"extraction.processed","result":[{"extractionId":"-Oe","batchId":"-Ob",'
    b'"fileId":"-Of","fileName":"a.pdf","status":"processed","result":{"total":1.5}}]}'
)


def page(listening: Any) -> tuple[dict[str, str], str]:
    status, headers, body = listening.ask("GET")
    assert status == 200
    return headers, body.decode()


def token(listening: Any) -> str:
    return re.findall(r'name="listen-token" content="([\w-]+)"', page(listening)[1])[0]


def test_the_page_is_locked_up(listen: Any) -> None:
    listening = listen()
    headers, body = page(listening)
    nonce = re.findall("nonce-([\\w-]+)'", headers["Content-Security-Policy"])[0]
    assert headers["Content-Security-Policy"] == (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert body.count(f'nonce="{nonce}"') == 2
    assert "{{" not in body
    assert not re.search(r"(src|href)=\"(?!data:)|@import|url\(|innerHTML|eval\(", body)
    other, _ = page(listening)
    assert other["Content-Security-Policy"] != headers["Content-Security-Policy"]


ELSEWHERE = [
    {"Host": "abc.tunnel.example"},
    {"Host": "127.0.0.1"},
    {"Host": "127.0.0.1:1"},
    {"Host": "127.0.0.1.evil.example:{port}"},
    {"Host": "localhost:{port}", "X-Forwarded-For": "203.0.113.9"},
    {"Host": "localhost:{port}", "X-Forwarded-Host": "abc.tunnel.example"},
    {"Host": "localhost:{port}", "CF-Connecting-IP": "203.0.113.9"},
    {"Host": "localhost:{port}", "Via": "1.1 proxy"},
]
FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "https://127.0.0.1:{port}"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.fixture
def with_delivery(app: Any, listen: Any) -> Any:
    """A listen with one delivery, and a function that fills the port into headers."""
    listening = listen("--forward-to", app.url)
    assert listening.deliver(BODY) == 204
    listening.told()
    return listening


def filled(headers: dict[str, str], listening: Any) -> dict[str, str]:
    return {name: value.format(port=listening.port) for name, value in headers.items()}


@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_the_page_is_not_reached_through_a_tunnel_or_another_name(
    headers: dict[str, str], with_delivery: Any, app: Any
) -> None:
    listening, headers = with_delivery, filled(headers, with_delivery)
    for path in ("/", "/_listen/events", "/_listen/deliveries/1", "/other"):
        status, _, body = listening.ask("GET", path, headers=headers)
        assert status == 403
        assert b"a.pdf" not in body
    with_token = {**headers, "x-listen-token": token(listening)}
    assert listening.ask("POST", "/_listen/deliveries/1/replay", b"", with_token)[0] == 403
    assert len(app.came) == 1
    # Deliveries come by such ways.
    assert listening.deliver(BODY, **headers) == 204


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_web_sites_in_the_browser_cannot_read_or_replay(
    headers: dict[str, str], with_delivery: Any, app: Any
) -> None:
    listening, headers = with_delivery, filled(headers, with_delivery)
    for path in ("/_listen/events", "/_listen/deliveries/1"):
        assert listening.ask("GET", path, headers=headers)[0] == 403
    with_token = {**headers, "x-listen-token": token(listening)}
    status, answer, _ = listening.ask("POST", "/_listen/deliveries/1/replay", b"", with_token)
    assert status == 403
    assert "Access-Control-Allow-Origin" not in answer
    assert listening.ask("OPTIONS", "/_listen/deliveries/1/replay", headers=headers)[0] == 405
    assert len(app.came) == 1


@pytest.mark.parametrize("wrong", [None, "", "x" * 32, "é".encode().decode("latin-1")])
def test_a_replay_needs_the_page_s_token(wrong: str | None, with_delivery: Any, app: Any) -> None:
    headers = {} if wrong is None else {"x-listen-token": wrong}
    assert with_delivery.ask("POST", "/_listen/deliveries/1/replay", b"", headers)[0] == 403
    assert len(app.came) == 1


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}"])
def test_a_replay_sends_the_same_bytes_and_headers(host: str, with_delivery: Any, app: Any) -> None:
    listening = with_delivery
    host = host.format(port=listening.port)
    headers = {
        "Host": host,
        "Origin": f"http://{host.lower()}",
        "Sec-Fetch-Site": "same-origin",
        "x-listen-token": token(listening),
    }
    app.status = 500
    status, answer, body = listening.ask("POST", "/_listen/deliveries/1/replay", b"", headers)
    assert status == 200
    assert answer["Content-Type"] == "application/json"
    said = json.loads(body)
    assert [(a["replay"], a["status"], a["text"]) for a in said["attempts"]] == [
        (False, 204, ""), (True, 500, "the app says 500"),
    ]  # fmt: skip
    assert app.came[0] == app.came[1]
    told = listening.told()
    assert (told["type"], told["id"], told["answered"]) == ("replay", 1, 204)
    assert listening.ask("POST", "/_listen/deliveries/9/replay", b"", headers)[0] == 404
    assert listening.ask("POST", "/_listen/nonsense", b"", headers)[0] == 404


def test_no_replay_without_an_app(listen: Any) -> None:
    listening = listen()
    listening.deliver(BODY)
    headers = {"x-listen-token": token(listening)}
    status, _, body = listening.ask("POST", "/_listen/deliveries/1/replay", b"", headers)
    assert status == 409
    assert b"--forward-to" in body


def test_details_show_the_body_as_it_came_and_never_the_secret(with_delivery: Any) -> None:
    listening = with_delivery
    status, _, body = listening.ask("GET", "/_listen/deliveries/1")
    assert status == 200
    said = json.loads(body)
    assert said["body"]["kind"] == "json"
    assert '        "total": 1.5\n' in said["body"]["text"]
    assert [SIGNATURE_HEADER, sign(BODY, SECRET)] in said["headers"]
    assert listening.ask("GET", "/_listen/deliveries/2")[0] == 404
    for text in (body.decode(), page(listening)[1]):
        assert "säcret" not in text
        assert "s\\u00e4cret" not in text
    assert token(listening) not in body.decode()


def test_pages_are_told_at_once_and_only_the_latest_are_kept(app: Any, listen: Any) -> None:
    listening = listen("--keep", "2", "--forward-to", app.url)
    with listening.watch() as connection:
        told = listening.events(connection)
        name, value = next(told)
        assert (name, value["url"], value["forward_to"]) == ("hello", listening.url, app.url)
        for number in (1, 2, 3):
            listening.deliver(BODY)
            answered = None
            while answered is None:
                name, value = next(told)
                assert name == "changes"
                assert value["oldest"] == max(1, number - 1)
                assert [delivery["id"] for delivery in value["deliveries"]] == [number]
                answered = value["deliveries"][0]["answered"]
    assert listening.ask("GET", "/_listen/deliveries/1")[0] == 404
    assert listening.ask("GET", "/_listen/deliveries/2")[0] == 200


def test_pages_that_left_make_room(listen: Any) -> None:
    listening = listen()
    pages = [listening.watch() for _ in range(16)]
    for each in pages:
        next(listening.events(each))
    with listening.watch() as one_more:
        assert b" 503 " in one_more.recv(100)
    for each in pages:
        each.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with listening.watch() as one_more:
            if b" 200 " in one_more.recv(100):
                return
    raise AssertionError("pages that left are still counted")
