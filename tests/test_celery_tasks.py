"""The ready tasks for Celery: a Redis server, workers in processes of their own, an emulator."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from celery.exceptions import Retry
from celery_tools import Site, children_of, kill_all, wait_for
from pace_tools import gaps, redis_server

from extracta_rs import (
    SIGNATURE_HEADER,
    RateLimitError,
    SignatureVerificationError,
    UploadOutcomeUnknownError,
    WaitTimeoutError,
    original_name,
)
from extracta_rs.celery import Folder, _work
from extracta_rs.testing import sign_delivery

POOLS = ("prefork", "threads", "solo")
LOOKS = ("getBatchResults", "viewExtraction")
SECRET = "E_AI_K_celery"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server."""
    yield from redis_server(tmp_path_factory.mktemp("redis"))


@pytest.fixture(scope="module", params=POOLS)
def site(
    request: pytest.FixtureRequest, broker: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site with a worker of each pool in turn."""
    with contextlib.ExitStack() as stack:
        site = Site(broker, tmp_path_factory.mktemp(request.param), stack)
        site.worker = site.start(request.param, EXTRACTA_WEBHOOK_SECRET=SECRET)
        yield site


@pytest.fixture
def new_site(broker: str, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Make a site without a worker."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: Site(broker, tmp_path, stack, **settings)


def test_each_document_is_uploaded_and_stored_once(site: Site) -> None:
    names = [f"once-{number}.pdf" for number in range(6)]
    sent = [site.extract(site.extraction_id, site.document(name)).delay() for name in names]
    tokens = [result.get(timeout=30) for result in sent]
    for name, token in zip(names, tokens, strict=True):
        batch = site.client.resume(token)
        kept = json.loads(Folder(site.place / "results").path(token).read_text("utf-8"))
        assert kept == batch.results().to_dict()
        assert [original_name(file["fileName"]) for file in kept["files"]] == [name]
    assert {name: site.uploads()[name] for name in names} == dict.fromkeys(names, 1)
    # No worker waits for a batch, not even the one of the pool `solo`: all are uploaded before
    # the first can have results.
    requests = site.emulator.requests()
    times = [r.time for r in requests if r.endpoint == "uploadFiles" and r.carried_out][-6:]
    assert times[-1] - times[0] < 0.4 * 6


def test_the_same_label_is_not_paid_again(site: Site) -> None:
    document = site.document("label.pdf")
    first, second = (
        site.tasks.upload.delay(site.extraction_id, document, label="4711").get(timeout=30)
        for _ in range(2)
    )
    assert first == second
    assert site.uploads()["label.pdf"] == 1
    assert site.tasks.check.delay(first).get(timeout=30) == first


def test_a_refused_upload_is_tried_again(site: Site) -> None:
    # Once more than the client tries by itself.
    site.emulator.faults.add("uploadFiles", status=429, retry_after=0, times=3)
    document = site.document("refused.pdf")
    site.tasks.upload.delay(site.extraction_id, document).get(timeout=30)
    assert site.uploads()["refused.pdf"] == 1
    assert not site.emulator.faults.pending()


def test_many_documents_can_be_one_batch(site: Site) -> None:
    paths = [site.document("one.pdf"), site.document("two.pdf")]
    token = site.extract(site.extraction_id, paths, label="two").delay().get(timeout=30)
    kept = json.loads(Folder(site.place / "results").path(token).read_text("utf-8"))
    assert len(kept["files"]) == 2


def test_a_delivery_and_the_polls_store_a_batch_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXTRACTA_WEBHOOK_SECRET", SECRET)
    token = site.extract(site.extraction_id, site.document("hook.pdf")).delay().get(timeout=30)
    folder = Folder(site.place / "results")
    before, batch_id = folder.path(token).stat(), json.loads(token)["batchId"]
    asked = site.asked(batch_id)
    results = site.client.fetch(token)
    asked += 1
    body, headers = sign_delivery(results, SECRET)
    assert site.tasks.deliver(body, headers[SIGNATURE_HEADER]) == [token]
    site.tasks.collect.delay(token).get(timeout=30)
    assert folder.path(token).stat() == before
    assert site.asked(batch_id) == asked
    with pytest.raises(SignatureVerificationError):
        site.tasks.deliver(body, sign_delivery(results, "E_AI_K_other")[1][SIGNATURE_HEADER])


def test_a_delivery_has_a_batch_stored_that_nobody_polls(site: Site) -> None:
    token = site.client.submit(site.extraction_id, site.document("pushed.pdf"))
    wait_for(lambda: site.client.check(token).finished)
    body, headers = sign_delivery(site.client.fetch(token), SECRET)
    # As a task in a worker, which has the secret in its environment.
    tokens = site.tasks.deliver.delay(body, headers[SIGNATURE_HEADER]).get(timeout=30)
    assert tokens == [token]
    folder = Folder(site.place / "results")
    wait_for(lambda: token in folder)


def test_a_worker_has_one_client_for_each_process_and_closes_it(site: Site) -> None:
    made = (site.place / "clients.txt").read_text("ascii").split("\n")[:-1]
    makers = [line.removeprefix("made ") for line in made if line.startswith("made")]
    assert len(makers) == len(set(makers))
    worker = site.worker
    assert worker
    forked = [str(pid) for pid in children_of(worker.pid)]
    assert set(makers) <= set(forked or [str(worker.pid)])
    worker.terminate()
    worker.wait(timeout=30)
    told = (site.place / "clients.txt").read_text("ascii").split("\n")
    assert {f"closed {pid}" for pid in makers} <= set(told)


@pytest.mark.parametrize(
    ("victim", "journal"), [("child", True), ("child", False), ("worker", False)]
)
def test_an_upload_whose_process_was_killed_is_found(
    new_site: Callable[..., Site], victim: str, journal: bool
) -> None:
    site = new_site(journal=journal)
    site.emulator.faults.add("uploadFiles", delay=2.0)
    worker = site.start("prefork")
    result = site.extract(site.extraction_id, site.document("killed.pdf")).delay()
    wait_for(lambda: site.uploads()["killed.pdf"])
    if victim == "child":
        for child in children_of(worker.pid):
            os.kill(child, signal.SIGKILL)
    else:
        kill_all(worker)
        site.start("prefork")
    token = result.get(timeout=30)
    assert site.uploads()["killed.pdf"] == 1
    assert [path.stem for path in site.files()] == [json.loads(token)["batchId"]]


def test_the_processes_of_workers_keep_their_requests_apart(new_site: Callable[..., Site]) -> None:
    site = new_site(processing_time=1.5)
    for _ in range(2):
        site.start("prefork", CELERY_TEST_SPACING="0.2")
    sent = [
        site.extract(site.extraction_id, site.document(f"{number}.pdf")).delay()
        for number in range(8)
    ]
    for result in sent:
        result.get(timeout=60)
    requests = site.emulator.requests()
    last = max(r.time for r in requests if r.endpoint == "uploadFiles")
    looks = [r for r in requests if r.time > last and r.endpoint in LOOKS]
    assert len(looks) >= 8
    assert min(gaps(looks)) > 0.19
    clients = (site.place / "clients.txt").read_text("ascii")
    assert clients.count("made") >= 3


def test_an_upload_that_may_be_told_of_later_is_put_back(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_work, "PATIENCE_WITHOUT_JOURNAL", 0.0)
    site = new_site(journal=False, processing_time=3600)
    site.use_environment(monkeypatch)
    upload, arguments = site.tasks.upload, (site.extraction_id, site.document("later.pdf"))
    # As the worker of a message that came again: what is in the first batch is not shown yet.
    upload.push_request(id="again", args=arguments, retries=1, called_directly=False)
    with pytest.raises(Retry) as caught:
        upload.run(*arguments)
    assert isinstance(caught.value.exc, UploadOutcomeUnknownError)
    assert caught.value.exc.retry_after == 60
    assert caught.value.when == 1.5  # of a visibility timeout of 3 s
    (message,) = site.queued()
    assert message["headers"]["retries"] == 2
    assert message["headers"]["id"] == "again"
    assert site.uploads()["later.pdf"] == 0


def test_a_refused_upload_fails_at_its_deadline(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = new_site()
    site.use_environment(monkeypatch)
    site.emulator.faults.add("uploadFiles", status=429, retry_after=0, times=None)
    upload, arguments = site.tasks.upload, (site.extraction_id, site.document("late.pdf"))
    upload.push_request(id="late", args=arguments, retries=7, called_directly=False)
    with pytest.raises(Retry):
        upload.run(*arguments, since=time.time() - 1000)
    with pytest.raises(RateLimitError):
        upload.run(*arguments, since=time.time() - 100_000)
    assert len(site.queued()) == 1


def test_a_wait_ends_at_its_deadline(
    new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = new_site()
    site.use_environment(monkeypatch)
    token = site.client.submit(site.extraction_id, site.document("slow.pdf"))
    # Run here as a worker would: not eager, so it does not wait.
    with pytest.raises(Retry):
        site.tasks.collect(token)
    with pytest.raises(WaitTimeoutError, match="collect") as timed_out:
        site.tasks.collect(token, since=time.time() - 100_000)
    assert timed_out.value.token == token
