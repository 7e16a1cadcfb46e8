"""A program that touches the whole public surface; never run, only checked by type checkers."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypedDict, assert_type

import extracta_rs
from extracta_rs import (
    AsyncBatch,
    AsyncClient,
    Batch,
    BatchRef,
    BatchResults,
    Classification,
    Client,
    ClientStats,
    Extraction,
    FileResult,
    Journal,
    JournalDocument,
    ParsedFile,
    ParsedResults,
    RequestEvent,
    ResponseEvent,
    RunDocument,
    RunResults,
    SignatureReport,
    Status,
    Timeout,
    UploadFile,
    WebhookEvent,
)
from extracta_rs.otel import instrument, uninstrument
from extracta_rs.tables import to_csv, to_parquet, to_records
from extracta_rs.testing import Delivery, Emulator, Request
from extracta_rs.webhooks import SignatureReason


@dataclass
class Invoice:
    total: float


def asked(event: RequestEvent) -> None:
    assert_type(event.operation, str)
    assert_type(event.attempt, int)
    assert_type(event.time, float)


def ended(event: ResponseEvent) -> None:
    assert_type(event.request, RequestEvent)
    assert_type(event.status_code, int | None)
    assert_type(event.headers["date"], str)
    assert_type(event.error_type, str | None)
    assert_type(event.request_id, str | None)


def observing() -> None:
    client = Client(
        "key",
        timeout=Timeout(30, connect=2.5, read=timedelta(seconds=5)),
        headers={"x-team": "a"},
        on_request=asked,
        on_response=ended,
    )
    assert_type(client.with_options(timeout=5, max_retries=0, headers={"a": "b"}), Client)
    assert_type(instrument(client), Client)
    assert_type(instrument(AsyncClient(on_request=print)), AsyncClient)
    assert_type(AsyncClient().with_options(timeout=Timeout(pool=1)), AsyncClient)
    assert_type(client.stats(), ClientStats)
    assert_type(client.stats().requests, int)
    assert_type(client.stats().seconds, float)
    assert_type(client.stats().failures["RateLimitError"], int)
    instrument()
    uninstrument(client)


class Receipt(TypedDict):
    total: float


def parsing(results: BatchResults, file: FileResult, client: Client) -> None:
    assert_type(file.parse(Invoice, decimal=","), Invoice)
    assert_type(file.parse(Receipt, day_first=True), Receipt)
    assert_type(results.parse(Invoice), ParsedResults[Invoice])
    for each in results.parse(Invoice):
        assert_type(each, ParsedFile[Invoice])
        assert_type(each.data, Invoice | None)
    assert_type(results.parse(Invoice).data, list[Invoice])
    assert_type(extracta_rs.fields_from(Receipt)[0]["key"], Any)
    client.extractions.create("n", fields=Invoice)
    client.extractions.update("id", fields=Receipt)
    assert_type(client.extractions.run("id", "a.pdf", parse=Invoice), ParsedResults[Invoice])
    assert_type(client.extractions.run("id", "a.pdf", parse=None), BatchResults)
    try:
        results.parse(Receipt)
    except extracta_rs.ParseError as error:
        assert_type(error.problems, list[extracta_rs.ParseProblem])


def blocking(path: Path) -> None:
    with Client("key", timeout=timedelta(seconds=5), webhook_secret=["a", b"b"]) as client:
        assert_type(client.credits(), int)
        made = client.extractions.create("n", fields=[{"key": "a", "description": "b"}])
        assert_type(made, Extraction)
        assert_type(client.extractions.view(made.extraction_id), Extraction)
        assert_type(client.extractions.update(made.extraction_id, name="m"), Extraction)
        batch = client.extractions.upload(
            made.extraction_id,
            ["a.pdf", path, ("b", b"b"), path.open("rb"), UploadFile("c", b"c", "text/plain")],
            on_progress=lambda sent, total: print(sent + 1, total),
        )
        assert_type(batch, Batch)
        client.extractions.upload(made.extraction_id, "a.pdf", batch_id=batch.batch_id)
        assert_type(batch.wait(timeout=None, on_progress=lambda r: r.finished), BatchResults)
        assert_type(client.resume(batch.token()), Batch)
        token = client.submit("id", "a.pdf", idempotency_label="task", journal="j.db")
        assert_type(token, str)
        assert_type(client.classifications.submit("id", [("a", b"a")], first_try=True), str)
        status = client.check(token, waited=3, max_wait=0.5)
        assert_type(status, Status)
        assert_type(status.retry_after, float)
        assert_type(status.problem, Exception | None)
        assert_type(client.fetch(status.token), BatchResults)
        waiting: Iterator[BatchResults] = client.extractions.wait_many([batch, "token"])
        assert_type(next(waiting), BatchResults)
        results = client.extractions.run(made.extraction_id, path, poll_interval=1)
        for file in results.raise_for_failures():
            assert_type(file, FileResult)
            assert_type(file.extraction, BatchRef | None)
        with Journal("j.db") as journal:
            for found in client.extractions.run_many("id", [path], journal=journal):
                assert_type(found, RunResults)
                assert_type(found.document_of(found.files[0]), RunDocument | None)
            assert_type(next(journal.documents("unknown")), JournalDocument)
        client.extractions.delete_files(made.extraction_id, batch.batch_id, ["f"])
        client.extractions.delete_batch(made.extraction_id, batch.batch_id)
        client.extractions.delete(made.extraction_id)
        kinds = client.classifications.create("n", document_types=[{"name": "cv"}])
        assert_type(kinds, Classification)
        assert_type(client.unwrap(b"", None), WebhookEvent)


async def on_loop() -> None:
    async with AsyncClient() as client:
        assert_type(await client.credits(), int)
        batch = await client.classifications.upload("id", ("a", b"a"))
        assert_type(batch, AsyncBatch)
        assert_type(await batch.wait(), BatchResults)
        assert_type(await batch.results(), BatchResults)
        waiting: AsyncIterator[BatchResults] = client.classifications.wait_many([batch])
        assert_type(await anext(waiting), BatchResults)
        async for results in client.classifications.wait_many([batch]):
            assert_type(results, BatchResults)
        async for found in client.extractions.run_many("id", "a.pdf", journal="j.db"):
            assert_type(found, RunResults)
        assert_type(await extracta_rs.upload_files_async("id", "a.pdf"), AsyncBatch)
        assert_type(await extracta_rs.poll_batch_async("id", "b"), BatchResults)
        assert_type(await client.submit("id", "a.pdf", idempotency_label="task"), str)
        assert_type(await client.check(batch), Status)
        assert_type(await extracta_rs.fetch_async(batch.token()), BatchResults)


def webhooks(body: bytes, header: str | None) -> None:
    assert_type(extracta_rs.verify_signature(body, header, "secret"), bool)
    assert_type(extracta_rs.sign(body, b"secret"), str)
    report = extracta_rs.explain_signature(body, header, ["old", b"new"])
    assert_type(report, SignatureReport)
    assert_type(report.matched, Literal["raw", "canonical"] | None)
    assert_type(report.reason, SignatureReason)
    event = extracta_rs.unwrap(body, header, ["old", "new"])
    assert_type(event.files, list[FileResult])
    assert_type(event.event, str | None)
    try:
        print(extracta_rs.get_batch_results("id", "b"))
    except extracta_rs.RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except extracta_rs.WaitTimeoutError as error:
        assert_type(error.last_results, BatchResults | None)
    except extracta_rs.UploadOutcomeUnknownError as error:
        assert_type(error.sha256, list[str | None])


def tabular(results: BatchResults, client: Client, path: Path) -> None:
    assert_type(results.to_records(flatten=False)[0], dict[str, Any])
    results.to_pandas(explode="items")
    results.to_polars(columns=["total"])
    results.to_arrow()  # pyright: ignore[reportUnknownMemberType]  # pyarrow has no types
    assert_type(results.to_csv(path, excel=True), int)
    assert_type(results.to_jsonl("-"), int)
    with path.open("wb") as file, Journal("j.db") as journal:
        assert_type(to_parquet(journal.results(), file, explode="items"), int)
    to_csv(client.extractions.wait_many(["token"]), sys.stdout)
    to_csv(client.extractions.run_many("id", "a.pdf", journal="j.db"), "out.csv")
    to_records(extracta_rs.unwrap(b"", None, "secret").files)


def emulated() -> None:
    with Emulator(processing_time=0.1, results={"a.pdf": {"total": "1"}}) as emulator:
        assert_type(emulator.requests(), list[Request])
        assert_type(emulator.deliveries(), list[Delivery])
        emulator.faults.add("uploadFiles", cut="after")
