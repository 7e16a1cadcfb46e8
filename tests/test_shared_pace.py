"""Processes that share a journal or a Redis keep their requests for results apart together: the
emulator's log shows it."""

from __future__ import annotations

import pickle
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pace_tools import Workers, gaps, redis_server, until
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from extracta_rs import BatchRef, Client, ConfigurationError, Journal, JournalError, Limiter
from extracta_rs.redis import RedisLimiter
from extracta_rs.testing import Emulator

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from conftest import Face

    from extracta_rs._limiter import Load

SPACING = 0.2
# A line counts in whole milliseconds, and leave is given after the answer before was told. So two
# requests may come this much too close, where the second one's way was quicker than the first's.
TOLERANCE = 0.005
# Of what the spacing and the answers leave; the rest is what waking up costs on a busy machine.
FULL = 0.75


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis, by its URL."""
    yield from redis_server(tmp_path_factory.mktemp("redis"))


@pytest.fixture(params=["journal", "redis", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """What keeps a line: the path of a journal, the URL of one, or that of a Redis."""
    if request.param == "journal":
        return str(tmp_path / "shared.journal")
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres").schema())
    url: str = request.getfixturevalue("redis")
    with Redis.from_url(url) as client:
        client.flushall()
    return url


@pytest.fixture
def limiter(shared: str) -> Any:
    return RedisLimiter(shared) if shared.startswith("redis") else Journal(shared)


@pytest.fixture
def workers(shared: str) -> Iterator[Workers]:
    with Emulator(processing_time=3600) as emulator:
        workers = Workers(emulator, shared, SPACING)
        yield workers
        workers.kill()


def assert_apart(workers: Workers) -> None:
    assert min(gaps(workers.asked())) >= SPACING - TOLERANCE


def assert_full(workers: Workers) -> None:
    asked = workers.asked()
    rate = (len(asked) - 1) / (asked[-1].time - asked[0].time)
    assert rate >= FULL / SPACING, f"{rate:.2f} requests a second"


@pytest.mark.parametrize("how", ["wait", "stand"])
def test_four_processes_take_turns_at_the_full_rate(workers: Workers, how: str) -> None:
    workers.start(*[how] * 4)
    workers.wait_for(40)
    assert set(workers.end().values()) == {""}
    assert_apart(workers)
    assert_full(workers)
    shares = workers.shares(workers.asked())
    assert len(shares) == 4
    assert min(shares.values()) >= 6, shares


def test_processes_that_only_look_share_alike(workers: Workers) -> None:
    workers.start(*["check"] * 4)
    workers.wait_for(40)
    workers.end()
    assert_apart(workers)
    shares = workers.shares(workers.asked())
    assert len(shares) == 4
    assert min(shares.values()) >= 3, shares


def test_different_ways_to_ask_stand_in_one_line(workers: Workers) -> None:
    workers.start("wait", "stand", "results")
    workers.wait_for(30)
    workers.end()
    assert_apart(workers)
    assert_full(workers)
    assert min(workers.shares(workers.asked()).values()) >= 6


def test_one_that_is_killed_holds_nobody_up(workers: Workers) -> None:
    workers.start(*["wait"] * 4)
    workers.wait_for(8)
    killed = workers.running.pop("wait-1")
    killed.kill()
    killed.communicate()
    before = len(workers.asked())
    workers.wait_for(before + 20)
    workers.end()
    assert_apart(workers)
    after = workers.asked()[before - 1 :]
    assert max(gaps(after)) < 3 * SPACING, "a place in line is lost at most, not the line"
    assert len(workers.shares(after[1:])) == 3


def test_what_one_is_refused_holds_all(workers: Workers) -> None:
    workers.start(*["results"] * 4)
    workers.wait_for(8)
    workers.emulator.faults.add("getBatchResults", status=429, retry_after=2)
    until(lambda: any(request.status == 429 for request in workers.asked()))
    refused = next(n for n, request in enumerate(workers.asked()) if request.status == 429)
    workers.wait_for(refused + 12)
    told = workers.end()
    assert sorted(told.values()) == ["", "", "", "refused 2.0\n"]
    after = gaps(workers.asked()[refused:])
    assert after[0] >= 2 - TOLERANCE
    # Twice the spacing, less an eighth of it for each good answer, whoever got it.
    for number, gap in enumerate(after[1:8], 1):
        assert gap >= SPACING * (2 - number / 8) - TOLERANCE, after
        assert gap < SPACING * 3, after
    assert len(workers.shares(workers.asked()[refused + 1 :])) == 4


def test_runs_that_share_a_journal_share_the_limit(
    tmp_path: Path, start: Callable[..., subprocess.Popen[str]], end: Callable[..., str]
) -> None:
    journal = tmp_path / "run.journal"
    with Emulator(processing_time=1.5, show_batches=False) as emulator:
        with Client(emulator.api_key, base_url=emulator.base_url) as client:
            created = client.extractions.create("Runs", fields=[{"key": "a", "description": "a"}])
        runs = []
        for name in ("left", "right"):
            folder = tmp_path / name
            folder.mkdir()
            for number in range(8):
                (folder / f"{name}-{number}.txt").write_text(f"{name} {number}")
            url, key = emulator.base_url, emulator.api_key
            extraction_id = created.extraction_id
            runs.append(start("run_many.py", url, key, extraction_id, folder, journal, SPACING))
        assert [end(run) for run in runs] == ["4\n", "4\n"]
        asked = [each for each in emulator.requests() if each.endpoint == "getBatchResults"]
    assert len(asked) >= 8
    assert min(gaps(asked)) >= SPACING - TOLERANCE


def test_a_fork_shares_it(
    shared: str,
    extracta_emulator: Emulator,
    extraction_id: str,
    batch_id: str,
    start: Callable[..., subprocess.Popen[str]],
    end: Callable[..., str],
) -> None:
    url, key = extracta_emulator.base_url, extracta_emulator.api_key
    said = end(start("paced_fork.py", url, key, shared, SPACING, extraction_id, batch_id))
    assert said == "[0, 0, 0]\n"
    requests = extracta_emulator.requests()
    asked = [request for request in requests if request.endpoint == "getBatchResults"]
    assert len(asked) == 1 + 4 * 3
    assert min(gaps(asked)) >= SPACING - TOLERANCE


def test_clients_of_one_process_share_it_too(
    connect: Callable[..., Face], limiter: Any, extracta_emulator: Emulator, extraction_id: str,
    batch_id: str,
) -> None:  # fmt: skip
    faces = [connect(min_poll_spacing=SPACING, limiter=limiter) for _ in range(3)]
    for _ in range(2):
        for face in faces:
            assert face("extractions.results", extraction_id, batch_id).batch_id == batch_id
    requests = extracta_emulator.requests()
    asked = [request for request in requests if request.endpoint == "getBatchResults"]
    assert len(asked) == 6
    assert min(gaps(asked)) >= SPACING - TOLERANCE


def test_a_single_look_does_not_wait_and_tells_when_to_come_back(
    connect: Callable[..., Face], limiter: Any, extraction_id: str, batch_id: str
) -> None:
    first, second = (connect(min_poll_spacing=2, limiter=limiter) for _ in range(2))
    token = BatchRef(extraction_id=extraction_id, batch_id=batch_id).token()
    first("extractions.results", extraction_id, batch_id)
    status = second("check", token)
    assert (status.finished, status.age) == (False, None)
    assert 0.5 < status.retry_after <= 2
    time.sleep(status.retry_after)
    assert second("check", token).finished


class Own:
    """A limiter of a user's, in one process."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem
        self.told: list[tuple[Any, ...]] = []

    def take(self, line: str, spacing: float, waited: float, /) -> tuple[float, float]:
        self.told.append((threading.current_thread(), line, spacing, waited))
        if self.problem:
            raise self.problem
        return 0.0, spacing

    def answered(self, line: str, spacing: float, age: float, load: Load, hold: float, /) -> None:
        self.told.append((threading.current_thread(), line, spacing, age, load, hold))


def test_any_object_may_keep_the_line(
    connect: Callable[..., Face], extracta_emulator: Emulator, extraction_id: str, batch_id: str
) -> None:
    own = Own()
    kept: Limiter = own
    face = connect(min_poll_spacing=0.05, limiter=kept, max_retries=1)
    extracta_emulator.faults.add("getBatchResults", status=503, retry_after=0)
    face("extractions.results", extraction_id, batch_id)
    until(lambda: len(own.told) == 4)
    assert all(thread is not threading.main_thread() for thread, *_ in own.told)
    assert {told[2] for told in own.told} == {0.05}
    (line,) = {told[1] for told in own.told}
    assert len(line) == 64
    assert extracta_emulator.api_key not in line
    loads = [told[4:] for told in own.told if len(told) == 6]
    assert loads == [("refused", 0.0), ("borne", 0.0)]


@pytest.mark.parametrize("problem", [OSError("no such host\nmore"), None])
def test_a_limiter_that_fails_stops_nobody_and_is_told_once(
    connect: Callable[..., Face],
    extraction_id: str,
    batch_id: str,
    caplog: pytest.LogCaptureFixture,
    problem: Exception | None,
) -> None:
    own = Own(problem)
    if problem is None:
        own.take = lambda *_: "soon"  # type: ignore[assignment,method-assign,return-value]
    face = connect(min_poll_spacing=0.05, limiter=own)
    began = time.monotonic()
    for _ in range(4):
        face("extractions.results", extraction_id, batch_id)
    assert time.monotonic() - began >= 3 * 0.05, "its own pace holds"
    (text,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    reason = "OSError: no such host" if problem else "TypeError: take() must return two numbers"
    assert f"at this client's own pace until it answers: {reason}" in text


def test_a_redis_that_is_gone_stops_nobody(
    connect: Callable[..., Face],
    tmp_path: Path,
    extraction_id: str,
    batch_id: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    servers = redis_server(tmp_path)
    face = connect(min_poll_spacing=0.05, limiter=RedisLimiter(next(servers)))
    face("extractions.results", extraction_id, batch_id)
    assert not caplog.records
    servers.close()
    for _ in range(3):
        face("extractions.results", extraction_id, batch_id)
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "ConnectionError" in warnings[0]


def test_what_is_no_limiter_is_refused(connect: Callable[..., Face], redis: str) -> None:
    class Awaited(Own):
        async def take(self, *told: object) -> tuple[float, float]:  # type: ignore[override]
            return 0.0, 0.0

    for limiter, text in [
        (7, "a int has no method 'take'"),
        ("redis://localhost", "a str has no method 'take'"),
        (Awaited(), "limiter.take must be a plain method"),
    ]:
        with pytest.raises(TypeError, match=text):
            connect(limiter=limiter)
    with pytest.raises(ConfigurationError, match="'localhost' is no URL"):
        RedisLimiter("localhost")
    with pytest.raises(ConfigurationError) as raised:
        RedisLimiter("rredis://:secret@localhost?password=secret")
    assert "secret" not in str(raised.value)
    with pytest.raises(TypeError, match=r"not a redis\.asyncio"):
        RedisLimiter(AsyncRedis.from_url(redis))  # type: ignore[arg-type]


def test_a_client_pickles_with_its_limiter_or_says_why_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, redis: str, connect: Callable[..., Face]
) -> None:
    monkeypatch.setenv("EXTRACTA_API_KEY", "a-key-to-open")
    journal = Journal(tmp_path / "kept.journal")
    for limiter in (journal, RedisLimiter(redis)):
        pickled = pickle.dumps(connect(limiter=limiter).client)
        opened = pickle.loads(pickled)
        assert repr(opened._settings["limiter"]) == repr(limiter)
        opened.close()
    secret = redis.replace("//", "//:secret@")
    with Redis.from_url(redis) as client:
        for unkept in (RedisLimiter(secret), RedisLimiter(client)):
            assert "secret" not in repr(unkept)
            with pytest.raises(TypeError, match="build the client in the process") as raised:
                pickle.dumps(connect(limiter=unkept).client)
            assert "secret" not in f"{raised.value} {raised.value.__cause__}"
    (tmp_path / "kept.journal").unlink()
    with pytest.raises(JournalError, match="no such file"):
        pickle.loads(pickle.dumps(journal))


def test_what_redis_keeps_expires_and_shows_no_key(
    redis: str, extracta_emulator: Emulator, extraction_id: str, batch_id: str
) -> None:
    key, url = extracta_emulator.api_key, extracta_emulator.base_url
    with Redis.from_url(redis) as server:
        server.flushall()
        with Client(key, base_url=url, limiter=RedisLimiter(redis, prefix="mine:")) as client:
            client.extractions.results(extraction_id, batch_id)
        (kept,) = server.keys()
        assert kept.startswith(b"mine:")
        assert key.encode() not in kept
        assert 0 < server.pttl(kept) <= 600_000


def test_both_keep_a_line_alike(limiter: Any) -> None:
    raw = getattr(limiter, "_raw", limiter)
    for line, told in [("one", "one"), ("other", "other")]:
        assert raw.take(line, 100.0, 0.0) == (0.0, 100.0)
        wait, spacing = raw.take(told, 100.0, 5.0)
        assert (99 < wait <= 100, spacing) == (True, 100.0)
        # Another one has waited for longer: this one comes a little later.
        later, _ = raw.take(told, 100.0, 0.0)
        assert wait + 0.05 < later <= wait + 0.101
        raw.answered(line, 100.0, 0.5, "refused", 10_000.0)
        assert raw.take(told, 100.0, 50.0)[1] == 200.0
        # Sent before the refusal.
        raw.answered(line, 100.0, 50.0, "borne", 0.0)
        assert raw.take(told, 100.0, 50.0)[1] == 200.0
        raw.answered(line, 100.0, 0.0, "borne", 0.0)
        assert raw.take(told, 100.0, 50.0)[1] == 187.5
        for _ in range(9):
            raw.answered(line, 100.0, 0.0, "refused", 10_000.0)
        wait, spacing = raw.take(told, 100.0, 60.0)
        assert (799 < wait <= 800, spacing) == (True, 800.0)
        # One with a smaller spacing of its own is held for a minute.
        assert 59 < raw.take(told, 1.0, 60.0)[0] <= 60.5
        raw.answered(line, 1.0, 1e12, "unknown", 1e12)
