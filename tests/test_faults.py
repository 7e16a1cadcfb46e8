"""Every endpoint under every fault, on both faces; and docs/failures.md, which says the same.

`FAULTS` is the one table: what the service or the network does, and what follows from it. Each
fault lasts, so that a call that is repeated fails in the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from extracta_rs import (
    APIConnectionError,
    APITimeoutError,
    Client,
    ExtractaError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    UploadOutcomeUnknownError,
)
from extracta_rs.testing import Emulator, Request

PAGE = (Path(__file__).parent.parent / "docs" / "failures.md").read_text(encoding="utf-8")
RETRIES = 1
TIMEOUT = 1.0  # Where the fault makes the service hang.
PATIENCE = 30.0  # Elsewhere: it must not pass, however busy the machine is.
HANG = 120.0
SLACK = 10.0  # For a busy machine; far below HANG.
PDF = ("a.pdf", b"%PDF")
HTML = "<html><h1>502 Bad Gateway</h1></html>"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with each request, and what the client makes of it.

    Attributes:
        order: how the emulator is told; empty: nobody listens.
        done: whether the service carries the request out.
        error: what is raised; an upload raises `UploadOutcomeUnknownError` from it if `unsure`.
        fields: attributes of that error; "until then" is the time until a date.
        repeats: whether a call is repeated that does no harm when it is carried out twice.
        unsure: whether the client cannot exclude that it was carried out.
        hangs: whether each request takes its whole `timeout`.
    """

    order: dict[str, Any] = field(default_factory=dict)
    done: bool = False
    error: type[ExtractaError]
    fields: dict[str, Any]
    repeats: bool = True
    unsure: bool = True
    hangs: bool = False


def status(code: int, error: type[ExtractaError], wait: Any = None, **more: Any) -> Fault:
    order = {"status": code, **({} if wait is None else {"retry_after": wait})}
    order |= more.pop("order", {})
    told = float(wait) if isinstance(wait, int) else wait
    fields = {"status_code": code, "retry_after": told if told is None or wait != "date" else UNTIL}
    return Fault(order=order, error=error, fields=fields, **more)


UNTIL = "until then"
LOST = {"request_sent": True}
WRONG = {"status_code": 200}
FAULTS: dict[str, Fault] = {
    "the connection is refused": Fault(
        error=APIConnectionError, fields={"request_sent": False}, unsure=False
    ),
    "the connection is lost before the request is carried out": Fault(
        order={"cut": "before"}, error=APIConnectionError, fields=LOST
    ),
    "the connection is lost after it was carried out": Fault(
        order={"cut": "after"}, done=True, error=APIConnectionError, fields=LOST
    ),
    "no answer within `timeout`": Fault(
        order={"delay": HANG}, done=True, error=APITimeoutError, fields=LOST, hangs=True
    ),
    "the answer's body drips for longer than `timeout`": Fault(
        order={"slow_body": HANG}, done=True, error=APITimeoutError, fields=LOST, hangs=True
    ),
    "the answer's body ends too early": Fault(
        order={"cut": "mid"}, done=True, error=APIConnectionError, fields=LOST
    ),
    "429": status(429, RateLimitError, unsure=False),
    "429, `Retry-After: 1`": status(429, RateLimitError, 1, unsure=False),
    "429, `Retry-After` with a date": status(429, RateLimitError, "date", unsure=False),
    "429, `Retry-After: 61`": status(429, RateLimitError, 61, unsure=False, repeats=False),
    "500": status(500, ServerError),
    "502 with HTML, the work was done": status(
        502, ServerError, order={"body": HTML, "carry_out": True}, done=True
    ),
    "503": status(503, ServerError),
    "503, `Retry-After: 1`": status(503, ServerError, 1, unsure=False),
    "200 with malformed JSON": Fault(
        order={"malformed": True},
        done=True,
        error=ResponseFormatError,
        fields=WRONG,
        repeats=False,
    ),
    "200 with HTML": Fault(
        order={"body": HTML}, done=True, error=ResponseFormatError, fields=WRONG, repeats=False
    ),
    "200 with JSON of a wrong shape": Fault(
        order={"body": '[{"status": "success"}]'},
        done=True,
        error=ResponseFormatError,
        fields=WRONG,
        repeats=False,
    ),
}
READ, UPDATE, DELETE, CREATE, UPLOAD = "read", "update", "delete", "create", "upload"
E, C, EB, CB = "$extraction", "$classification", "$extraction batch", "$classification batch"
FIELDS, TYPES = [{"key": "total"}], [{"name": "invoice"}]
Call = tuple[str, str, tuple[Any, ...], dict[str, Any]]
# What kind of call it is, and how it is made.
CALLS: dict[str, Call] = {
    "credits": (READ, "credits", (), {}),
    "createExtraction": (CREATE, "extractions.create", ("n",), {"fields": FIELDS}),
    "viewExtraction": (READ, "extractions.view", (E,), {}),
    "updateExtraction": (UPDATE, "extractions.update", (E,), {"name": "new"}),
    "deleteExtraction": (DELETE, "extractions.delete", (E,), {}),
    "uploadFiles": (UPLOAD, "extractions.upload", (E, PDF), {}),
    "getBatchResults": (READ, "extractions.results", (E, EB), {}),
    "documentClassification/createClassification": (
        *(CREATE, "classifications.create", ("n",)),
        {"document_types": TYPES},
    ),
    "documentClassification/viewClassification": (READ, "classifications.view", (C,), {}),
    "documentClassification/updateClassification": (
        *(UPDATE, "classifications.update", (C,)),
        {"name": "new"},
    ),
    "documentClassification/deleteClassification": (DELETE, "classifications.delete", (C,), {}),
    "documentClassification/deleteBatch": (DELETE, "classifications.delete_batch", (C, CB), {}),
    "documentClassification/deleteFiles": (
        *(DELETE, "classifications.delete_files", (C, CB, ["$file"])),
        {},
    ),
    "documentClassification/uploadFiles": (UPLOAD, "classifications.upload", (C, PDF), {}),
    "documentClassification/getResults": (READ, "classifications.results", (C, CB), {}),
}


@dataclass(frozen=True)
class Outcome:
    """What can be seen of a call: at the caller, and in the emulator's record."""

    error: type[BaseException]
    cause: type[BaseException] | None
    fields: dict[str, Any]
    requests: int
    carried_out: int


def repeats(fault: Fault, kind: str) -> bool:
    return fault.repeats and not (fault.unsure and kind in {CREATE, UPLOAD})


def expected(fault: Fault, kind: str) -> Outcome:
    """Return what the table says of a call."""
    sent = 1 + RETRIES * repeats(fault, kind)
    # A second deletion finds nothing to delete.
    done = (min(sent, 1) if kind in {DELETE, CREATE, UPLOAD} else sent) if fault.done else 0
    unknown = fault.unsure and kind == UPLOAD
    return Outcome(
        error=UploadOutcomeUnknownError if unknown else fault.error,
        cause=fault.error if unknown else None,
        fields=fault.fields,
        requests=sent if fault.order else 0,
        carried_out=done,
    )


def bounds(fault: Fault, kind: str) -> tuple[float, float]:
    """Return how many seconds a call takes at least and at most."""
    sent = 1 + RETRIES * repeats(fault, kind)
    pauses = [0.5 * 2**attempt for attempt in range(sent - 1)]
    asked = fault.fields.get("retry_after") or 0
    least, most = (0, 2) if asked == UNTIL else (asked, asked)
    hanging = sent * TIMEOUT if fault.hangs else 0
    return (
        hanging + sum(max(pause / 2, least) for pause in pauses),
        hanging + sum(max(pause, most) for pause in pauses),
    )


@dataclass(frozen=True)
class Stage:
    """An emulator with something on it to ask for."""

    emulator: Emulator
    ids: dict[str, str]

    def arguments(self, call: Call) -> tuple[Any, ...]:
        return tuple(
            [self.ids[item] for item in argument]
            if isinstance(argument, list)
            else self.ids.get(argument, argument)
            for argument in call[2]
        )


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    with Emulator() as emulator:
        with Client(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0) as client:
            extraction = client.extractions.create("n", fields=FIELDS).extraction_id
            classification = client.classifications.create("n", document_types=TYPES)
            ids = {E: extraction, C: classification.classification_id}
            ids[EB] = client.extractions.upload(extraction, PDF).batch_id
            batch = client.classifications.upload(ids[C], PDF)
            file_id = batch.files[0].file_id
            assert file_id
            ids |= {CB: batch.batch_id, "$file": file_id}
        yield Stage(emulator, ids)


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that refuses connections and is kept from being given to another."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


def order(
    emulator: Emulator, endpoint: str, fault: Fault, times: int | None = None
) -> str | int | None:
    """Order a fault; return the `Retry-After` that it answers with."""
    wait: str | int | None = fault.order.get("retry_after")
    if wait == "date":
        wait = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    emulator.faults.add(endpoint, times=times, **fault.order | {"retry_after": wait})
    return wait


def seen_of(error: BaseException, fault: Fault, requests: list[Request]) -> Outcome:
    cause = error.__cause__ if isinstance(error, UploadOutcomeUnknownError) else None
    told = cause or error
    fields = {name: getattr(told, name) for name in fault.fields}
    if fault.fields.get("retry_after") == UNTIL and 0 <= fields["retry_after"] <= 2:
        fields["retry_after"] = UNTIL
    carried_out = sum(request.carried_out for request in requests)
    return Outcome(
        type(error), None if cause is None else type(cause), fields, len(requests), carried_out
    )


def check_pauses(requests: list[Request], asked: str | int | None) -> None:
    """No request may come before the service wants it, nor at once."""
    for earlier, later in itertools.pairwise(requests):
        least = asked if isinstance(asked, int) else 0.25
        assert later.time - earlier.time >= least - 0.01
        if isinstance(asked, str):
            assert later.unix_time >= parsedate_to_datetime(asked).timestamp() - 0.01


@pytest.mark.parametrize("name", FAULTS)
def test_every_endpoint_under_a_fault(name: str, connect: Any, nobody: str) -> None:
    fault = FAULTS[name]
    timeout = TIMEOUT if fault.hangs else PATIENCE

    def run(endpoint: str) -> Outcome:
        call = CALLS[endpoint]
        with stage() as set_up:
            emulator = set_up.emulator
            before = len(emulator.requests())
            base_url = emulator.base_url if fault.order else nobody
            face = connect(base_url=base_url, timeout=timeout, max_retries=RETRIES)
            asked = order(emulator, endpoint, fault) if fault.order else None
            started = time.monotonic()
            with pytest.raises(ExtractaError) as raised:
                face(call[1], *set_up.arguments(call), **call[3])
            took = time.monotonic() - started
            requests = emulator.requests()[before:]
        error = raised.value
        least, most = bounds(fault, call[0])
        assert least - 0.02 <= took <= most + SLACK, (endpoint, took)
        assert {request.endpoint for request in requests} <= {endpoint}
        check_pauses(requests, asked)
        told = error
        if isinstance(error, UploadOutcomeUnknownError):
            assert isinstance(error.__cause__, ExtractaError)
            told = error.__cause__
            assert error.file_names == [PDF[0]]
            assert error.sha256 == [hashlib.sha256(PDF[1]).hexdigest()]
            ids = (error.extraction_id, error.classification_id)
            extraction = call[1].startswith("extractions")
            assert ids == ((set_up.ids[E], None) if extraction else (None, set_up.ids[C]))
        assert getattr(told, "path", None) == f"/{endpoint}"
        return seen_of(error, fault, requests)

    with ThreadPoolExecutor(len(CALLS)) as pool:
        seen = dict(zip(CALLS, pool.map(run, CALLS), strict=True))
    assert seen == {endpoint: expected(fault, call[0]) for endpoint, call in CALLS.items()}


def test_the_table_has_all_endpoints() -> None:
    assert len(CALLS) == 15


def test_a_wait_outlives_a_passing_fault(connect: Any) -> None:
    passing = {
        name: fault
        for name, fault in FAULTS.items()
        if fault.order and fault.fields.get("retry_after") != 61
    }
    polls = {"getBatchResults": ("extractions", E, EB)}
    polls["documentClassification/getResults"] = ("classifications", C, CB)

    def run(case: tuple[str, str]) -> None:
        name, endpoint = case
        resource, target, batch = polls[endpoint]
        timeout = TIMEOUT if passing[name].hangs else PATIENCE
        with stage() as set_up:
            face = connect(base_url=set_up.emulator.base_url, timeout=timeout, max_retries=0)
            asked = order(set_up.emulator, endpoint, passing[name], times=1)
            ids = set_up.ids[target], set_up.ids[batch]
            results = face(f"{resource}.wait", *ids, timeout=60, poll_interval=0.3)
            assert [file.status for file in results] == ["processed"], name
            requests = [r for r in set_up.emulator.requests() if r.endpoint == endpoint]
        assert len(requests) == 2, name
        check_pauses(requests, asked)

    with ThreadPoolExecutor(16) as pool:
        cases = list(itertools.product(passing, polls))
        assert len(list(pool.map(run, cases))) == 2 * len(passing)


def row(name: str) -> list[str]:
    """Return what the page must say of a fault."""
    fault = FAULTS[name]
    attributes = [f"`{key}` {value}" for key, value in fault.fields.items()]

    def cell(kind: str) -> str:
        outcome = expected(fault, kind)
        how = "repeated" if repeats(fault, kind) else "once"
        return f"{how}, `{outcome.error.__name__}`"

    assert cell(READ) == cell(UPDATE) == cell(DELETE)
    maybe = "perhaps" if fault.unsure else "no"
    takes = "`timeout`" if fault.hangs else "until its answer"
    return [name, maybe, cell(READ), cell(CREATE), cell(UPLOAD), ", ".join(attributes), takes]


def test_the_page_says_what_is_tested() -> None:
    table = PAGE.partition("| What goes wrong |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.split("\n")]
    assert rows[2:] == [row(name) for name in FAULTS]


def test_the_page_names_real_errors_and_settings() -> None:
    import extracta_rs

    for name in set(re.findall(r"`(\w+Error)`", PAGE)):
        assert issubclass(getattr(extracta_rs, name), ExtractaError)
    assert {fault.error.__name__ for fault in FAULTS.values()} <= set(
        re.findall(r"`(\w+Error)`", PAGE)
    )
