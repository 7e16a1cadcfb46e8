"""A replay is the session again: order, modes, and what was not recorded."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import COMMAND, FIELDS, Face

from extracta_rs import (
    AsyncClient,
    BadRequestError,
    WaitTimeoutError,
)
from extracta_rs.testing import (
    CassetteError,
    CassetteMismatchError,
    Emulator,
    cassette,
    record,
    replay,
)
from extracta_rs.testing._player import Player

if TYPE_CHECKING:
    pass

from cassette_tools import KEY, QUICK, connect, session_of_one


def session(face: Face) -> list[Any]:
    """Do all that a client does."""
    try:
        created = face("extractions.create", "Invoices", fields=FIELDS)
        files = [('Rechnung "ü".pdf', b"%PDF 1"), ("b;filename*=x.pdf", b"")]
        results = face("extractions.run", created.extraction_id, files, **QUICK)
        viewed = face("extractions.view", created.extraction_id)
        changed = face("extractions.update", created.extraction_id, name="Bills")
        face("extractions.delete_batch", created.extraction_id, results.batch_id)
        face("extractions.delete", created.extraction_id)
        types = [{"name": "invoice", "uniqueWords": ["total"]}]
        kinds = face("classifications.create", "Kinds", document_types=types)
        classified = face("classifications.run", kinds.classification_id, files[0], **QUICK)
        return [created, results, viewed, changed, kinds, classified, face("credits")]
    finally:
        face.client.close()


@pytest.mark.parametrize("kinds", [("blocking", "asyncio"), ("asyncio", "blocking")])
def test_a_replay_is_the_session_again(
    tape_path: Path, real_service: Emulator, kinds: tuple[str, str]
) -> None:
    with record(tape_path, base_url=real_service.base_url) as tape:
        assert tape.mode == "record"
        recorded = session(connect(tape, kinds[0]))
    asked = [(request.method, request.path) for request in real_service.requests()]
    real_service.stop()
    with replay(tape_path) as tape:
        replayed = session(connect(tape, kinds[1]))
    assert replayed == recorded
    kept = json.loads(tape_path.read_text("utf-8"))["exchanges"]
    assert [(one["request"]["method"], one["request"]["path"]) for one in kept] == asked
    polls = [one for one in kept if one["request"]["path"] == "/getBatchResults"]
    assert [one["answer"]["json"].get("status") for one in polls] == ["waiting", "waiting", None]


def test_a_request_that_was_not_recorded(tape_path: Path, real_service: Emulator) -> None:
    with record(tape_path, base_url=real_service.base_url) as tape:
        results = session_of_one(connect(tape))
    with (
        pytest.raises(CassetteMismatchError) as info,
        replay(tape_path) as tape,
        tape.client() as client,
    ):
        with pytest.raises(BadRequestError, match="the nearest is"):
            client.extractions.view("-nobody")
        with pytest.raises(BadRequestError) as refused:
            client.extractions.wait("-other", results.batch_id, timeout=20)
        with pytest.raises(BadRequestError, match="files"):
            client.extractions.upload(results.extraction_id or "", ("a.pdf", b"%PDX"))
        assert len(tape.unexpected) == 3
    assert f'json.extractionId is "{results.extraction_id}", not "-other"' in str(refused.value)
    for part in ("POST /viewExtraction", "-other", "files[0].sha256", str(tape_path)):
        assert part in str(info.value)


def test_the_error_of_the_test_stays_the_one_that_is_seen(
    tape_path: Path, real_service: Emulator
) -> None:
    with (
        pytest.raises(ZeroDivisionError) as info,
        record(tape_path, base_url=real_service.base_url) as tape,
    ):
        session_of_one(connect(tape))
        raise ZeroDivisionError
    assert "nothing was recorded" in "".join(info.value.__notes__)
    assert not tape_path.exists()
    with record(tape_path, base_url=real_service.base_url) as tape:
        session_of_one(connect(tape))
    with (
        pytest.raises(BadRequestError) as refused,
        replay(tape_path) as tape,
        tape.client() as client,
    ):
        client.extractions.view("-nobody")
    assert "does not have what was asked for" in "".join(refused.value.__notes__)


def test_the_last_answer_repeats_and_waits_may_be_cut_short(
    tape_path: Path, real_service: Emulator
) -> None:
    with record(tape_path, base_url=real_service.base_url) as tape:
        recorded = session_of_one(connect(tape))
    batch = (recorded.extraction_id, recorded.batch_id)
    with replay(tape_path) as tape, tape.client() as client:
        answers = [client.extractions.results(*batch) for _ in range(5)]
        assert [results.finished for results in answers] == [False, False, True, True, True]
    with replay(tape_path, polls="last") as tape, tape.client() as client:
        assert client.extractions.results(*batch) == recorded
    with pytest.raises(ValueError, match="all or last"):
        replay(tape_path, polls="first")  # type: ignore[arg-type]


def test_a_wait_that_timed_out_times_out_again(tape_path: Path) -> None:
    with Emulator(api_key=KEY, processing_time=60) as emulator:
        for tape in (record(tape_path, base_url=emulator.base_url), replay(tape_path)):
            with tape:
                face = connect(tape)
                with pytest.raises(WaitTimeoutError):
                    session_of_one(face, timeout=0.3)
                face.client.close()


def test_waits_that_run_together_only_in_the_replay(
    tape_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There the client looks at the extraction, which it did not while it was recorded.
    with Emulator(api_key=KEY) as emulator, record(tape_path, base_url=emulator.base_url) as tape:
        face = connect(tape)
        created = face("extractions.create", "Invoices", fields=FIELDS).extraction_id
        runs = [face("extractions.run", created, (f"{n}.pdf", b"%PDF")) for n in range(5)]
        face.client.close()
        assert not [r for r in emulator.requests() if r.path == "/viewExtraction"]
    data = json.loads(tape_path.read_text("utf-8"))
    for exchange in [*data["exchanges"]]:
        if exchange["request"]["path"] == "/getBatchResults":
            waiting = {**exchange, "answer": {"status": 200, "json": {"status": "waiting"}}}
            data["exchanges"].insert(0, waiting)
    tape_path.write_text(json.dumps(data))
    views: list[Any] = []
    is_hint = Player._is_hint

    def heard(player: Player, request: dict[str, Any]) -> bool:
        views.append(request)
        return is_hint(player, request)

    monkeypatch.setattr(Player, "_is_hint", heard)
    with replay(tape_path) as tape, tape.client() as client:
        batches = [results.batch for results in runs]
        found = list(client.extractions.wait_many(batches, **QUICK))
        assert views
        assert tape.unexpected == []
        assert sorted(one.batch_id for one in found) == sorted(one.batch_id for one in runs)
        with pytest.raises(BadRequestError, match="is not recorded"):
            client.extractions.view(created)


def test_modes(tape_path: Path, real_service: Emulator) -> None:
    modes = []
    for _ in range(2):
        with cassette(tape_path, base_url=real_service.base_url) as tape:
            modes.append(tape.mode)
            session_of_one(connect(tape))
    assert modes == ["record", "replay"]
    before = len(real_service.requests())
    with cassette(tape_path, mode="record", base_url=real_service.base_url) as tape:
        session_of_one(connect(tape))
    assert len(real_service.requests()) > before
    tape_path.unlink()
    with pytest.raises(CassetteError, match="record it first"), cassette(tape_path, mode="replay"):
        pass
    with pytest.raises(ValueError, match="once, record or replay"):
        cassette(tape_path, mode="none")  # type: ignore[arg-type]


def test_a_recording_without_traffic_is_a_mistake(tape_path: Path, real_service: Emulator) -> None:
    with (
        pytest.raises(CassetteError, match="base_url"),
        record(tape_path, base_url=real_service.base_url),
    ):
        pass
    assert not tape_path.exists()
    with pytest.raises(RuntimeError, match="with"):
        _ = replay(tape_path).base_url


def test_many_at_once(tape_path: Path) -> None:
    async def upload_all(client: AsyncClient) -> list[str | None]:
        async with client:
            created = await client.extractions.create("Many", fields=FIELDS)
            files = [(f"{number}.pdf", b"%%PDF %d" % number) for number in range(60)]
            runs = [client.extractions.run(created.extraction_id, file, **QUICK) for file in files]
            return [results.files[0].file_name for results in await asyncio.gather(*runs)]

    names = [f"{number}.pdf" for number in range(60)]
    with Emulator(api_key=KEY) as emulator, record(tape_path, base_url=emulator.base_url) as tape:
        client = tape.async_client(api_key=KEY, min_poll_spacing=0)
        assert asyncio.run(upload_all(client)) == names
    with replay(tape_path) as tape:
        assert asyncio.run(upload_all(tape.async_client())) == names


def test_the_command_line_may_be_led_through_a_cassette(
    tape_path: Path, real_service: Emulator
) -> None:
    said = []
    for tape in (record(tape_path, base_url=real_service.base_url), replay(tape_path)):
        with tape:
            env = {**os.environ, "EXTRACTA_BASE_URL": tape.base_url}
            env["EXTRACTA_API_KEY"] = tape.api_key or KEY
            done = subprocess.run(
                [COMMAND, "templates", "create", "invoice", "--json"],
                env=env,
                capture_output=True,
                check=True,
            )
            said.append(json.loads(done.stdout))
    assert said[0] == said[1]
    assert [request.path for request in real_service.requests()] == ["/createExtraction"]


def test_the_nearest_request_is_found_among_many(tape_path: Path) -> None:
    with Emulator(api_key=KEY) as emulator, record(tape_path, base_url=emulator.base_url) as tape:
        face = connect(tape)
        face("credits")
        face.client.close()
    data = json.loads(tape_path.read_text("utf-8"))
    [exchange] = data["exchanges"]
    for number in range(3000):
        body = {"extractionId": f"-e{number}", "batchId": f"-b{number % 7}"}
        request = {"method": "POST", "path": "/getBatchResults", "json": body}
        data["exchanges"].append({**exchange, "request": request})
    tape_path.write_text(json.dumps(data))
    with (
        pytest.raises(CassetteMismatchError) as info,
        replay(tape_path) as tape,
        tape.client(timeout=5, max_retries=0) as client,
    ):
        with pytest.raises(BadRequestError):
            client.extractions.results("-e2999", "-b9")
        with pytest.raises(BadRequestError):
            client.extractions.delete_batch("-e1", "-b1")
    assert 'the nearest one json.batchId is "-b3", not "-b9"' in str(info.value)
    assert "DELETE /deleteExtraction is not recorded; the nearest is" in str(info.value)
