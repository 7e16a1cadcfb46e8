"""Spans as the real SDK gets them, and the headers that the service gets."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import extracta_rs
from extracta_rs import (
    APIConnectionError,
    APITimeoutError,
    AsyncClient,
    Client,
    NotFoundError,
    ServerError,
)
from extracta_rs.otel import instrument, uninstrument
from extracta_rs.testing import Emulator, Request


class Traces:
    """A provider whose spans are kept."""

    def __init__(self, **settings: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **settings)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("test")

    def spans(self, count: int) -> list[ReadableSpan]:
        """Return the client's spans, which are ended on a thread of their own."""
        deadline = time.monotonic() + 10
        while len(found := self.found()) < count:
            assert time.monotonic() < deadline, found
            time.sleep(0.002)
        assert len(found) == count
        return sorted(found, key=lambda span: span.start_time or 0)

    def found(self) -> list[ReadableSpan]:
        spans = self.exporter.get_finished_spans()
        return [span for span in spans if span.kind is trace.SpanKind.CLIENT]


@pytest.fixture
def traces() -> Iterator[Traces]:
    traces = Traces()
    yield traces
    traces.provider.shutdown()


@pytest.fixture
def traced(connect: Any, traces: Traces) -> Any:
    face = connect(max_retries=0)
    instrument(face.client, tracer_provider=traces.provider)
    return face


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def ids(request: Request) -> tuple[int, int, bool]:
    """Return what a request's traceparent says: trace, span, whether it is sampled."""
    header = request.header("traceparent")
    assert header is not None
    version, trace_id, span_id, flags = header.split("-")
    assert version == "00"
    return int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & 1)


def test_a_span_of_a_request(traced: Any, traces: Traces, extracta_emulator: Emulator) -> None:
    before = time.time_ns()
    assert traced("credits") > 0
    (span,) = traces.spans(1)
    assert span.name == "GET /credits"
    assert span.kind is trace.SpanKind.CLIENT
    port = int(extracta_emulator.base_url.split(":")[2].split("/")[0])
    assert attributes(span) == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.full": f"{extracta_emulator.base_url}/credits",
        "url.template": "/credits",
        "http.response.status_code": 200,
        "extracta.operation": "credits",
    }
    assert span.status.status_code is trace.StatusCode.UNSET
    assert span.start_time
    assert span.end_time
    assert before <= span.start_time < span.end_time <= time.time_ns()
    scope = span.instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version) == ("extracta_rs", extracta_rs.__version__)
    assert scope.schema_url.startswith("https://opentelemetry.io/schemas/")  # type: ignore[union-attr]


def test_the_service_gets_the_span_s_ids(
    traced: Any, traces: Traces, extracta_emulator: Emulator, extraction_id: str
) -> None:
    before = len(extracta_emulator.requests())
    with traces.tracer.start_as_current_span("work") as work:
        traced("extractions.run", extraction_id, ("a.pdf", b"%PDF"), poll_interval=0.01)
    requests = extracta_emulator.requests()[before:]
    spans = traces.spans(len(requests))
    assert [span.name for span in spans][:2] == ["POST /uploadFiles", "POST /getBatchResults"]
    assert {attributes(span)["extracta.operation"] for span in spans[1:]} == {"extractions.wait"}
    for request, span in zip(requests, spans, strict=True):
        assert span.context is not None
        assert span.parent is not None
        assert ids(request) == (span.context.trace_id, span.context.span_id, True)
        assert span.parent.span_id == work.get_span_context().span_id
        assert span.context.trace_id == work.get_span_context().trace_id


def test_each_attempt_is_a_span(connect: Any, traces: Traces, extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", status=503, retry_after=0, times=2)
    face = connect(max_retries=2)
    assert instrument(face.client, tracer_provider=traces.provider) is face.client
    face("credits")
    spans = [attributes(span) for span in traces.spans(3)]
    resent = [span.get("http.request.resend_count") for span in spans]
    assert resent == [None, 1, 2]
    assert [span["http.response.status_code"] for span in spans] == [503, 503, 200]
    assert len({ids(request)[1] for request in extracta_emulator.requests()}) == 3


@pytest.mark.parametrize(
    ("fault", "error", "kind", "status"),
    [
        ({"status": 404}, NotFoundError, "404", 404),
        ({"status": 500}, ServerError, "500", 500),
        ({"cut": "before"}, APIConnectionError, "APIConnectionError", None),
        ({"delay": 5}, APITimeoutError, "APITimeoutError", None),
        ({"slow_body": 5}, APITimeoutError, "APITimeoutError", 200),
    ],
)
def test_failures(
    fault: dict[str, Any],
    error: type[Exception],
    kind: str,
    status: int | None,
    connect: Any,
    traces: Traces,
    extracta_emulator: Emulator,
) -> None:
    face = connect(max_retries=0, timeout=0.4)
    instrument(face.client, tracer_provider=traces.provider)
    extracta_emulator.faults.add("credits", **fault)
    with pytest.raises(error):
        face("credits")
    (span,) = traces.spans(1)
    assert attributes(span)["error.type"] == kind
    assert attributes(span).get("http.response.status_code") == status
    assert span.status.status_code is trace.StatusCode.ERROR


def test_the_parent_is_the_caller_s(traces: Traces, extracta_emulator: Emulator) -> None:
    """Many tasks at once, each within a span of its own."""

    async def main() -> None:
        async with AsyncClient(
            extracta_emulator.api_key, base_url=extracta_emulator.base_url
        ) as client:
            instrument(client, tracer_provider=traces.provider)

            async def one(number: int) -> None:
                with traces.tracer.start_as_current_span(f"task {number}"):
                    await client.credits()

            await asyncio.gather(*(one(number) for number in range(20)))

    asyncio.run(main())
    spans = traces.spans(20)
    parents = {span.parent.span_id for span in spans if span.parent}
    tasks = {
        span.context.span_id
        for span in traces.exporter.get_finished_spans()
        if span.context and span.name.startswith("task ")
    }
    assert parents == tasks
    assert len(parents) == 20


def test_polls_of_several_waits_have_their_own_parents(
    traces: Traces, extracta_emulator: Emulator
) -> None:
    settings: dict[str, Any] = {"base_url": extracta_emulator.base_url, "min_poll_spacing": 0}
    with Client(extracta_emulator.api_key, **settings) as client:
        instrument(client, tracer_provider=traces.provider)
        made = client.extractions.create("Invoices", fields=[{"key": "total"}])
        batches = [
            client.extractions.upload(made.extraction_id, (f"{n}.pdf", b"%PDF")) for n in range(2)
        ]
        traces.spans(3)
        traces.exporter.clear()

        def wait(number: int) -> None:
            with traces.tracer.start_as_current_span(f"wait {number}"):
                batches[number].wait(poll_interval=0.01)

        threads = [threading.Thread(target=wait, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        polls = traces.spans(len(extracta_emulator.requests()) - 3)
        waits = {
            span.context.span_id
            for span in traces.exporter.get_finished_spans()
            if span.context and span.name.startswith("wait ")
        }
        assert {span.parent.span_id for span in polls if span.parent} == waits
        assert len(waits) == 2


def test_a_request_that_is_given_up_ends_its_span(
    traces: Traces, extracta_emulator: Emulator
) -> None:
    extracta_emulator.faults.add("credits", delay=30)

    async def main() -> None:
        async with AsyncClient(
            extracta_emulator.api_key, base_url=extracta_emulator.base_url
        ) as client:
            instrument(client, tracer_provider=traces.provider)
            task = asyncio.create_task(client.credits())
            while not client.stats().in_flight:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    (span,) = traces.spans(1)
    assert attributes(span)["error.type"] == "CancelledError"


def test_what_is_not_sampled_says_so(connect: Any, extracta_emulator: Emulator) -> None:
    traces = Traces(sampler=ALWAYS_OFF)
    face = connect()
    instrument(face.client, tracer_provider=traces.provider)
    face("credits")
    assert ids(extracta_emulator.requests()[-1])[2] is False
    assert traces.found() == []


def test_the_propagators_of_the_program_are_used(traced: Any, extracta_emulator: Emulator) -> None:
    token = context.attach(baggage.set_baggage("tenant", "blue"))
    try:
        traced("credits")
    finally:
        context.detach(token)
    assert extracta_emulator.requests()[-1].header("baggage") == "tenant=blue"


@pytest.mark.parametrize("key", ["_SUPPRESS_INSTRUMENTATION_KEY", "plain"])
def test_suppressed_where_others_suppress(
    key: str, traced: Any, traces: Traces, extracta_emulator: Emulator
) -> None:
    key = getattr(context, key, "suppress_instrumentation")
    token = context.attach(context.set_value(key, True))
    try:
        traced("credits")
    finally:
        context.detach(token)
    assert extracta_emulator.requests()[-1].header("traceparent") is None
    traced("credits")
    assert len(traces.spans(1)) == 1


def test_copies_are_traced_and_it_can_be_ended(traced: Any, traces: Traces) -> None:
    client = traced.client
    traced.client = client.with_options(timeout=30)
    traced("credits")
    traces.spans(1)
    uninstrument(client)
    traced("credits")
    traced.client = client
    traced("credits")
    traces.spans(1)


def test_all_clients_from_now_on(connect: Any, traces: Traces, extracta_emulator: Emulator) -> None:
    before = connect()
    assert instrument(tracer_provider=traces.provider) is None
    try:
        face = connect()
    finally:
        uninstrument()
    after = connect()
    face("credits")
    traces.spans(1)
    before("credits")
    after("credits")
    traces.spans(1)


def test_what_is_no_client() -> None:
    with pytest.raises(TypeError, match="not a str"):
        instrument("client")  # type: ignore[call-overload]


def test_no_secret_is_in_a_span(traces: Traces, raw_server: Any) -> None:
    key = "SECRET-KEY-123"
    raw_server.answer(f"no {key}".encode(), status="401 Unauthorized")
    headers = {"x-gateway": "SECRET-HEADER", "traceparent": "mine"}
    with Client(key, base_url=raw_server.url, headers=headers) as client:
        instrument(client, tracer_provider=traces.provider)
        with pytest.raises(extracta_rs.AuthenticationError):
            client.credits()
    (span,) = traces.spans(1)
    assert "SECRET" not in span.to_json()
    (request,) = raw_server.requests
    assert request.lower().count(b"traceparent: 00-") == request.lower().count(b"traceparent:") == 1


class Broken(SpanProcessor):
    """A processor that raises."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise ZeroDivisionError("at the start")


def test_a_tracer_that_fails_costs_no_request(
    connect: Any, extracta_emulator: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Broken())
    face = connect()
    instrument(face.client, tracer_provider=provider)
    with caplog.at_level(logging.ERROR, "extracta_rs"):
        assert face("credits") > 0
    assert caplog.messages == ["no span began for GET /credits; it is sent without one"]
    assert extracta_emulator.requests()[-1].header("traceparent") is None


def test_a_span_that_hangs_does_not_keep_the_runtime(
    traces: Traces, extracta_emulator: Emulator
) -> None:
    """Requests of another client go on while a processor hangs."""
    go_on = threading.Event()

    class Hanging(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            go_on.wait(10)

    traces.provider.add_span_processor(Hanging())
    settings: dict[str, Any] = {"base_url": extracta_emulator.base_url}
    with (
        Client(extracta_emulator.api_key, **settings) as client,
        Client(extracta_emulator.api_key, **settings) as other,
    ):
        instrument(client, tracer_provider=traces.provider)
        got: list[int] = []
        thread = threading.Thread(target=lambda: got.append(client.credits()))
        thread.start()
        assert other.credits() > 0
        assert not got
        go_on.set()
        thread.join()
        assert len(got) == 1
    traces.spans(1)


EXITS = """
import sys, threading, time
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from extracta_rs import Client
from extracta_rs.otel import instrument
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
client = instrument(Client("test-key", base_url=sys.argv[1], max_retries=0),
                    tracer_provider=provider)
for _ in range(8):
    threading.Thread(target=client.credits, daemon=True).start()
while client.stats().requests < 8:
    time.sleep(0.001)
print("ends")
"""


def test_a_traced_program_ends_while_requests_are_under_way(extracta_emulator: Emulator) -> None:
    extracta_emulator.faults.add("credits", delay=30, times=None)
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", EXITS, extracta_emulator.base_url],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, "ends\n", "")


def test_a_fork_traces_on(traces: Traces, extracta_emulator: Emulator) -> None:
    program = EXITS.replace("for _ in range(8):", """
import os
client.credits()
child = os.fork()
client.credits()
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    assert client.stats().requests == 1
    os._exit(0)
for _ in range(0):""").replace("< 8", "< 2")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program, extracta_emulator.base_url],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "ends\n"), done.stderr
    sent = [ids(request) for request in extracta_emulator.requests()]
    assert len(set(sent)) == 3


def test_without_opentelemetry_the_import_says_what_to_install() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = None
import extracta_rs
extracta_rs.Client("key-of-test", base_url="http://localhost").close()
try:
    import extracta_rs.otel
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert 'pip install "extracta_rs[otel]"' in done.stdout
