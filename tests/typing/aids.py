"""What tests and notebooks use, as type checkers of users see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, assert_type

from extracta_rs import (
    AsyncBatch,
    AsyncClient,
    Batch,
    BatchResults,
    Client,
    FileResult,
    ProgressBar,
    progress_bar,
)
from extracta_rs.testing import (
    Cassette,
    CassetteError,
    CassetteMismatchError,
    SignedDelivery,
    cassette,
    record,
    replay,
    sign_delivery,
)


def scrubbed(body: Any) -> Any:
    return body


def deliveries(results: BatchResults, file: FileResult) -> None:
    body, headers = sign_delivery(results, "secret", event="extraction.edited")
    assert_type(body, bytes)
    assert_type(headers, dict[str, str])
    assert_type(sign_delivery(file, b"secret"), SignedDelivery)
    assert_type(sign_delivery({"result": {}}, "secret", generation="legacy"), SignedDelivery)
    sign_delivery([file, {"error": "unreadable"}], "secret", generation="legacy-list")
    sign_delivery(results.failed, "secret")


def cassettes(path: Path) -> None:
    with record(path, scrub=["iban", scrubbed], ca_bundle=path) as tape:
        assert_type(tape, Cassette)
        assert_type(tape.mode, Literal["record", "replay"])
        assert_type(tape.api_key, str | None)
        Client(tape.api_key, base_url=tape.base_url)
    try:
        with replay("a.json", scrub="iban", polls="last") as tape, tape.client() as client:
            assert_type(client, Client)
    except CassetteMismatchError as error:
        print(error)
    except CassetteError as error:
        print(error)
    with cassette("a.json", mode="once", base_url="https://x", scrub=scrubbed) as tape:
        assert_type(tape.async_client(timeout=3), AsyncClient)


def bars(client: Client, path: Path) -> None:
    bar = progress_bar()
    assert_type(bar, ProgressBar)
    assert_type(client.extractions.upload("id", path, on_progress=bar), Batch)
    assert_type(client.extractions.run("id", path, on_progress=progress_bar("Run")), BatchResults)
    with progress_bar() as shared:
        client.extractions.wait("id", "b", on_progress=shared)


async def bars_on_loop(client: AsyncClient, path: Path) -> None:
    batch = await client.classifications.upload("id", path, on_progress=progress_bar())
    assert_type(batch, AsyncBatch)
    assert_type(await batch.wait(on_progress=progress_bar()), BatchResults)
