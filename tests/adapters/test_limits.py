"""Bodies that are too large, lie about their length, have none, or never end."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from extracta_rs import SIGNATURE_HEADER, sign

SECRET = "E_AI_K_adäpters"
LIMIT = 100_000
BODY = b'{"result":[{"fileId":"f"}]}'
GOOD = f"{SIGNATURE_HEADER}: {sign(BODY, SECRET)}"
TOO_LARGE = (413, {"error": "too_large"})


def body_of(size: int) -> bytes:
    return b'{"result":[{"fileId":"%s"}]}' % (b"f" * (size - 26))


def ends(site: Any, answer: Any) -> bool:
    """Tell whether the connection ends; WSGI servers see to that without being told."""
    return site.is_wsgi or answer.headers.get("connection") == "close"


def test_a_body_of_exactly_the_limit_is_accepted(site: Any) -> None:
    assert len(body_of(LIMIT)) == LIMIT
    assert site.deliver(body_of(LIMIT)).status == 204
    assert site.bodies == [body_of(LIMIT)]


def test_a_body_of_one_byte_more_is_too_large(site: Any) -> None:
    answer = site.deliver(body_of(LIMIT + 1))
    assert (answer.status, answer.json()) == TOO_LARGE
    assert site.events == []


@pytest.mark.parametrize("length", [LIMIT + 1, 10**9, 10**18])
def test_a_large_body_is_refused_before_it_comes(site: Any, length: int) -> None:
    if site.reads_first:
        pytest.skip("Django waits for the body before it calls the view")
    answer = site.send(f"Content-Length: {length}", GOOD)
    assert (answer.status, answer.json()) == TOO_LARGE
    assert ends(site, answer)


def test_an_endless_body_is_not_read_to_its_end(site: Any) -> None:
    if site.reads_first or not site.takes_chunks:
        pytest.skip("the framework or the server does not leave this to the adapter")
    chunk = b"1000\r\n" + b" " * 4096 + b"\r\n"
    answer, sent = site.flood("Transfer-Encoding: chunked", GOOD, body=chunk)
    assert (answer.status, answer.json()) == TOO_LARGE
    assert ends(site, answer)
    assert sent > LIMIT
    assert site.events == []


def test_chunks(site: Any) -> None:
    answer = site.deliver_chunks(body_of(LIMIT), 777)
    if not site.takes_chunks:
        assert (answer.status, answer.json()) == (411, {"error": "length_required"})
        return
    assert answer.status == 204
    assert site.bodies == [body_of(LIMIT)]
    answer = site.deliver_chunks(body_of(LIMIT + 1), LIMIT)
    assert (answer.status, answer.json()) == TOO_LARGE


def test_chunks_count_more_than_a_length(site: Any) -> None:
    if not site.takes_chunks:
        pytest.skip("the server does not understand chunks")
    both = ("Content-Length: 5", "Transfer-Encoding: chunked", GOOD)
    assert site.send(*both, body=b"1b\r\n" + BODY + b"\r\n0\r\n\r\n").status in (204, 400)
    assert site.bodies in ([], [BODY])


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"-5\r\nabc\r\n0\r\n\r\n", b"5\r\nabcdefgh\r\n"])
def test_chunks_that_make_no_sense(site: Any, chunks: bytes) -> None:
    answer = site.hang_up("Transfer-Encoding: chunked", GOOD, body=chunks)
    assert answer is None or 400 <= answer.status < 500
    assert site.events == []


@pytest.mark.parametrize("coding", ["gzip", "identity", "gzip, chunked", "x"])
def test_other_transfer_codings(site: Any, coding: str) -> None:
    chunks = b"1b\r\n" + BODY + b"\r\n0\r\n\r\n"
    answer = site.hang_up(f"Transfer-Encoding: {coding}", GOOD, body=chunks)
    # 501 is the right one; servers that do not look closely hand the body on.
    assert answer is None or answer.status == 204 or 400 <= answer.status < 500
    assert site.bodies in ([], [BODY])


@pytest.mark.parametrize(
    "length", ["-1", "1.0", "1e1", "+27", "0x1b", "27,28", "27 27", "\u0662\u0667", "9" * 5000, ""]
)
def test_lengths_that_are_none(site: Any, length: str) -> None:
    answer = site.hang_up(f"Content-Length: {length}", GOOD, body=BODY)
    assert answer is None or 400 <= answer.status < 500
    assert site.events == []


def test_no_length_at_all(site: Any) -> None:
    assert site.send(GOOD).status == 401
    assert site.events == []


def test_a_sender_that_leaves_early(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = site.hang_up("Content-Length: 27", GOOD, body=BODY[:-1])
    if site.is_wsgi and "django" not in site.kind:
        assert (answer.status, answer.json()) == (400, {"error": "body", "reason": "incomplete"})
    assert answer is None or answer.status == 400
    assert site.deliver(BODY).status == 204
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_connection_goes_on_after_a_refusal_that_was_read(site: Any) -> None:
    if site.is_wsgi:
        pytest.skip("these servers end each connection")
    first = site.head(f"Content-Length: {len(BODY)}") + BODY
    second = site.head(f"Content-Length: {len(BODY)}", GOOD) + BODY
    assert [answer.status for answer in site.pipeline(first, second)] == [401, 204]
