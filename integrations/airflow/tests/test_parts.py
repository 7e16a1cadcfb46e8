"""The provider's parts without a running Airflow; connections come from the environment."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Connection
from airflow_provider_extracta import __version__, get_provider_info
from airflow_provider_extracta.events import finished
from airflow_provider_extracta.hooks import ExtractaHook, arguments, client_settings
from airflow_provider_extracta.operators import ExtractaExtractOperator
from airflow_provider_extracta.results import store, summary
from airflow_provider_extracta.sensors import ExtractaBatchSensor
from airflow_provider_extracta.triggers import FIRST_LOOK, ExtractaBatchTrigger
from airflow_provider_extracta.uploads import opened

from extracta_rs import Client, WaitTimeoutError, templates
from extracta_rs.testing import Emulator

Connect = Callable[..., None]


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Iterator[Client]:
    with Client(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0) as made:
        yield made


@pytest.fixture
def invoices(client: Client) -> str:
    return client.extractions.create(**templates.load("invoice")).extraction_id


@pytest.fixture(autouse=True)
def connect(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Make the default connection; call it to make another one."""

    def make(conn_id: str = "extracta_default", key: str | None = None, **extra: object) -> None:
        connection = {
            "conn_type": "extracta",
            "host": emulator.base_url,
            "password": key or emulator.api_key,
            "extra": {"min_poll_spacing": 0.1, **extra},
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    make()
    return make


def trigger(token: str, *, wait: float = 30, conn_id: str = "extracta_default") -> Any:
    """Return a trigger that began a while ago: it looks at once."""
    now = time.time()
    return ExtractaBatchTrigger(token, now + wait, now - FIRST_LOOK, conn_id)


async def event_of(waiting: ExtractaBatchTrigger) -> dict[str, Any]:
    (event,) = [event async for event in waiting.run()]
    return dict(event.payload)


def test_the_provider_names_what_it_has() -> None:
    info = get_provider_info()
    assert (info["package-name"], info["versions"]) == ("airflow-provider-extracta", [__version__])
    (kind,) = info["connection-types"]
    assert kind["hook-class-name"] == f"{ExtractaHook.__module__}.{ExtractaHook.__qualname__}"
    assert kind["connection-type"] == ExtractaHook.conn_type


def test_a_connection_becomes_the_settings_of_a_client() -> None:
    extra = {"timeout": "5", "connect_timeout": 2, "min_poll_spacing": 4.5, "max_retries": None}
    host = "https://gateway.example/api/v1"
    connection = Connection(
        conn_id="c", conn_type="extracta", host=host, password="k", extra=json.dumps(extra)
    )
    settings = client_settings(connection)
    assert settings.pop("user_agent") == f"airflow-provider-extracta/{__version__}"
    assert settings == {
        "api_key": "k", "base_url": host, "timeout": 5.0, "connect_timeout": 2.0,
        "min_poll_spacing": 4.5,
    }  # fmt: skip
    assert "base_url" not in client_settings(
        Connection(conn_id="c", conn_type="extracta", password="k")
    )


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"password": None}, "'c' has no password"),
        ({"host": "api.extracta.ai"}, "must be the base URL"),
        ({"extra": '{"timeuot": 5}'}, "extra has 'timeuot'; known are timeout"),
        ({"extra": '{"timeout": "soon"}'}, "timeout must be seconds, not 'soon'"),
        ({"extra": '{"max_retries": []}'}, "max_retries must be a whole number"),
    ],
)
def test_an_unusable_connection_is_named(changed: dict[str, Any], says: str) -> None:
    connection = Connection(conn_id="c", conn_type="extracta", **{"password": "secret", **changed})
    with pytest.raises(ValueError, match=says) as raised:
        client_settings(connection)
    assert "secret" not in str(raised.value)


def test_a_limiter_keeps_the_spacing_for_several_processes_clients(
    emulator: Emulator, client: Client, invoices: str, connect: Connect, tmp_path: Path
) -> None:
    connect(min_poll_spacing=60, limiter=str(tmp_path / "line.journal"))
    token = client.submit(invoices, ("a.pdf", b"%PDF-1.7"), idempotency_label="a", first_try=True)
    before = len(emulator.requests())
    first, second = (ExtractaHook().client.check(token) for _ in range(2))
    assert first.finished
    assert (second.finished, second.problem, second.age) == (False, None, None)
    assert 50 < second.retry_after <= 120
    assert len(emulator.requests()) == before + 1


def test_a_limiter_is_a_redis_or_a_journal(tmp_path: Path) -> None:
    redis = arguments({"limiter": "redis://:secret@redis.internal/3"})["limiter"]
    assert repr(redis) == "RedisLimiter('redis://***@redis.internal/3')"
    assert repr(arguments({"limiter": str(tmp_path / "j")})["limiter"]).startswith("Journal(")
    assert arguments({"timeout": 5.0}) == {"timeout": 5.0}


def test_the_hook_tests_its_connection(connect: Connect) -> None:
    good, text = ExtractaHook().test_connection()
    assert good, text
    assert "credits" in text
    connect("wrong", key="not-the-key")
    good, text = ExtractaHook("wrong").test_connection()
    assert not good
    assert text.startswith("AuthenticationError")
    assert "not-the-key" not in text


def test_arguments_are_checked_where_the_dag_is_read() -> None:
    for wait_timeout in (0, -1, float("nan"), timedelta(0)):
        with pytest.raises(ValueError, match="wait_timeout must be more than 0 seconds"):
            ExtractaExtractOperator(
                task_id="x", extraction_id="e", files="a.pdf", wait_timeout=wait_timeout
            )
    unusable: dict[str, Any] = {"wait_timeout": "1"}
    with pytest.raises(TypeError, match="wait_timeout must be seconds or a timedelta, not str"):
        ExtractaExtractOperator(task_id="x", extraction_id="e", files="a", **unusable)
    too_few: dict[str, Any] = {"task_id": "x", "files": "a.pdf"}
    with pytest.raises(TypeError, match="extraction_id"):
        ExtractaExtractOperator(**too_few)


def test_every_templated_field_is_there() -> None:
    operator = ExtractaExtractOperator(task_id="x", extraction_id="e", files=["a.pdf"])
    sensor = ExtractaBatchSensor(task_id="y", token="t")
    for task in (operator, sensor):
        assert all(hasattr(task, field) for field in task.template_fields)
    assert {"files", "extraction_id", "idempotency_label"} <= set(operator.template_fields)


def test_a_trigger_is_all_in_what_it_serializes() -> None:
    made = ExtractaBatchTrigger("token", 2.5, 1.5, "other", "/results")
    path, arguments = made.serialize()
    assert path == "airflow_provider_extracta.triggers.ExtractaBatchTrigger"
    again = ExtractaBatchTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)
    fields = ("token", "deadline", "since", "extracta_conn_id", "results_path")
    assert [arguments[field] for field in fields] == ["token", 2.5, 1.5, "other", "/results"]


def test_files_are_paths_and_urls(tmp_path: Path, client: Client, invoices: str) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7 a")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.7 b")
    with opened([str(tmp_path / "a.pdf"), f"file://{tmp_path}/b.pdf"]) as files:
        token = client.submit(invoices, files, idempotency_label="x", first_try=True)
    results = client.fetch(token)
    written = store(results, f"file://{tmp_path}/results")
    assert written.startswith("file://")
    stored = json.loads((tmp_path / "results" / f"{results.batch_id}.json").read_bytes())
    assert [file["fileName"] for file in stored["files"]] == ["a.pdf", "b.pdf"]
    assert store(results, str(tmp_path / "results")) == written.removeprefix("file://")
    assert summary(token, results, written)["files"] == 2
    wrong: list[tuple[Any, type[Exception]]] = [([], ValueError), ([7], TypeError)]
    for given, error in wrong:
        with pytest.raises(error, match="files: "), opened(given):
            pass


def test_triggers_of_one_loop_share_a_client_and_its_spacing(
    emulator: Emulator, client: Client, invoices: str
) -> None:
    tokens = [
        client.submit(invoices, (f"{n}.pdf", b"%PDF-1.7"), idempotency_label=str(n), first_try=True)
        for n in range(20)
    ]

    async def all_events() -> list[dict[str, Any]]:
        shared = {id(await ExtractaHook().get_async_conn()) for _ in range(3)}
        assert len(shared) == 1
        return await asyncio.gather(*(event_of(trigger(token)) for token in tokens))

    events = asyncio.run(all_events())
    assert [event["outcome"] for event in events] == ["finished"] * 20
    endpoints = ("viewExtraction", "getBatchResults")
    looks = [request.time for request in emulator.requests() if request.endpoint in endpoints]
    assert min(after - before for before, after in itertools.pairwise(looks)) >= 0.095


def test_a_slow_service_does_not_hold_up_the_loop(
    emulator: Emulator, client: Client, invoices: str
) -> None:
    token = client.submit(invoices, ("a.pdf", b"%PDF"), idempotency_label="a", first_try=True)
    emulator.faults.add("getBatchResults", delay=2.0)

    async def longest_pause() -> float:
        waiting = asyncio.create_task(event_of(trigger(token)))
        longest = 0.0
        while not waiting.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)
        assert (await waiting)["outcome"] == "finished"
        return longest

    assert asyncio.run(longest_pause()) < 1.0


def test_a_wait_ends_at_its_deadline(emulator: Emulator, client: Client, invoices: str) -> None:
    token = client.submit(invoices, ("a.pdf", b"%PDF"), idempotency_label="a", first_try=True)
    emulator.faults.add("getBatchResults", times=None, status=503)
    before = time.monotonic()
    event = asyncio.run(event_of(trigger(token, wait=1)))
    assert (event["outcome"], event["token"]) == ("timeout", token)
    assert "503" in event["problem"]
    with pytest.raises(WaitTimeoutError, match=r"could not be asked: .*503") as raised:
        finished(event)
    assert raised.value.token == token
    assert time.monotonic() - before < 10


def test_results_that_the_triggerer_cannot_write_are_left_to_the_worker(
    client: Client, invoices: str, tmp_path: Path
) -> None:
    token = client.submit(invoices, ("a.pdf", b"%PDF"), idempotency_label="a", first_try=True)
    (tmp_path / "results").write_bytes(b"a file, no folder")
    waiting = trigger(token)
    waiting.results_path = str(tmp_path / "results")
    event = asyncio.run(event_of(waiting))
    assert (event["outcome"], event["results_path"]) == ("finished", None)
    (tmp_path / "results").unlink()
    operator = ExtractaExtractOperator(
        task_id="x", extraction_id=invoices, files="a.pdf", results_path=waiting.results_path
    )
    ids = operator.execute_complete({}, event)
    assert json.loads(Path(ids["results_path"]).read_bytes())["files"][0]["fileName"] == "a.pdf"


def test_a_wait_ends_at_a_wrong_key(connect: Connect, client: Client, invoices: str) -> None:
    token = client.submit(invoices, ("a.pdf", b"%PDF"), idempotency_label="a", first_try=True)
    connect("wrong", key="not-the-key")
    event = asyncio.run(event_of(trigger(token, conn_id="wrong")))
    assert event["outcome"] == "error"
    assert event["error"].startswith("AuthenticationError")
    assert "not-the-key" not in event["error"]
