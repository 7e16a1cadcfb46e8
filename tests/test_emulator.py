"""`extracta_rs.testing`, seen through the standard library's HTTP client: no code of ours."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from extracta_rs import AsyncClient, Client
from extracta_rs.testing import Emulator, Faults, Request

FIELDS = [{"key": "number", "example": "INV-1"}, {"key": "total"}]
TEMPLATE = {"name": "Invoices", "language": "English", "fields": FIELDS}
CLASSIFICATION = "documentClassification/"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """A connection that is kept alive."""

    def __init__(self, emulator: Emulator, key: str | None = None) -> None:
        url = urllib.parse.urlsplit(emulator.base_url)
        assert url.hostname == "127.0.0.1"
        self.base = url.path
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
        self.headers = {"Authorization": f"Bearer {key or emulator.api_key}"}

    def send(self, method: str, path: str, body: bytes, content_type: str) -> Answer:
        headers = {**self.headers, "Content-Type": content_type}
        self.connection.request(method, f"{self.base}/{path}", body, headers)
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        answer = self.send(method, path, json.dumps(body).encode(), "application/json")
        assert answer.status == 200, answer.body
        return answer.json()

    def upload(
        self, *names: str, ids: dict[str, str], content: bytes = b"x", path: str = "uploadFiles"
    ) -> Any:
        parts = [(f'name="{key}"', value.encode()) for key, value in ids.items()]
        parts += [(f'name="files"; filename="{name}"', content) for name in names]
        return self.upload_parts(parts, path)

    def upload_parts(self, parts: list[tuple[str, bytes]], path: str = "uploadFiles") -> Any:
        body = b"".join(
            b"--b\r\nContent-Disposition: form-data; "
            + head.encode()
            + b"\r\n\r\n"
            + content
            + b"\r\n"
            for head, content in parts
        )
        answer = self.send("POST", path, body + b"--b--\r\n", "multipart/form-data; boundary=b")
        assert answer.status == 200, answer.body
        return answer.json()

    def close(self) -> None:
        self.connection.close()


@dataclass
class Service:
    emulator: Emulator
    call: Caller
    extraction_id: str = ""
    callers: list[Caller] = field(default_factory=list)

    def batch(self, *names: str, **ids: str) -> str:
        batch_id = self.call.upload(*names, ids={"extractionId": self.extraction_id, **ids})[
            "batchId"
        ]
        assert isinstance(batch_id, str)
        return batch_id

    def poll(self, batch_id: str, **more: str) -> Any:
        ids = {"extractionId": self.extraction_id, "batchId": batch_id, **more}
        return self.call("POST", "getBatchResults", **ids)

    def poll_raw(self, batch_id: str) -> Answer:
        ids = {"extractionId": self.extraction_id, "batchId": batch_id}
        body = json.dumps(ids).encode()
        return self.call.send("POST", "getBatchResults", body, "application/json")

    @property
    def last(self) -> Request:
        return self.emulator.requests()[-1]


@pytest.fixture
def service(extracta_emulator: Emulator) -> Iterator[Service]:
    call = Caller(extracta_emulator)
    made = call("POST", "createExtraction", extractionDetails=TEMPLATE)
    yield Service(extracta_emulator, call, made["extractionId"])
    call.close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    receiver = Hook()
    yield receiver
    receiver.close()


class Hook:
    """Receives webhooks; answers with `statuses` one after the other, then with 200."""

    def __init__(self) -> None:
        hook = self
        self.received: list[tuple[bytes, str | None]] = []
        self.statuses: list[int] = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.received.append((body, self.headers["x-webhook-signature"]))
                self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_an_extraction_from_its_making_to_its_end(service: Service) -> None:
    call, extraction_id = service.call, service.extraction_id
    details = {"description": "d", "language": "Romanian"}
    call("PATCH", "updateExtraction", extractionId=extraction_id, extractionDetails=details)
    batch_id = service.batch("a.pdf", "b.pdf")
    seen = call("POST", "viewExtraction", extractionId=extraction_id)["extractionDetails"]
    assert seen == {**TEMPLATE, **details, "batches": {batch_id: {"status": "processed"}}}
    first, second = service.poll(batch_id)["files"]
    assert first["result"]["number"] == "INV-1"
    assert first["result"]["total"] != second["result"]["total"]
    only = service.poll(batch_id, fileId=second["fileId"])
    assert (only["fileId"], only["files"]) == (second["fileId"], [second])
    assert call("GET", "credits")["credits"] == 100_000 - 2
    ids = {"extractionId": extraction_id, "batchId": batch_id}
    call("DELETE", "deleteExtraction", **ids, fileId=first["fileId"])
    assert service.poll(batch_id)["files"] == [second]
    call("DELETE", "deleteExtraction", **ids)
    assert service.poll_raw(batch_id).status == 404
    call("DELETE", "deleteExtraction", extractionId=extraction_id)
    body = json.dumps({"extractionId": extraction_id}).encode()
    assert call.send("POST", "viewExtraction", body, "application/json").status == 404


def test_a_classification_from_its_making_to_its_end(service: Service) -> None:
    call = service.call
    types = [
        {"name": "resume", "uniqueWords": ["Education"]},
        {"name": "invoice", "uniqueWords": ["TOTAL"], "extractionId": service.extraction_id},
    ]
    details = {"name": "Inbox", "documentTypes": types}
    made = call("POST", f"{CLASSIFICATION}createClassification", classificationDetails=details)
    ids = {"classificationId": made["classificationId"]}
    changes = {"description": "d"}
    call("PATCH", f"{CLASSIFICATION}updateClassification", **ids, classificationDetails=changes)
    seen = call("POST", f"{CLASSIFICATION}viewClassification", **ids)
    assert seen["classificationDetails"] == {**details, **changes}
    names, path = ("a", "b", "c"), f"{CLASSIFICATION}uploadFiles"
    ids["batchId"] = call.upload(*names, content=b"the total: 3", path=path, ids=ids)["batchId"]
    results = call("POST", f"{CLASSIFICATION}getResults", **ids)
    assert {file["result"]["documentType"] for file in results["files"]} == {"invoice"}
    assert all(0 < file["result"]["confidence"] <= 1 for file in results["files"])
    linked = results["files"][1]["extraction"]
    assert linked["extractionId"] == service.extraction_id
    assert service.poll(linked["batchId"])["files"][0]["fileId"] == linked["fileId"]
    file_ids = [file["fileId"] for file in results["files"]]
    some = call("DELETE", f"{CLASSIFICATION}deleteFiles", **ids, fileIds=file_ids[:2])
    rest = call("DELETE", f"{CLASSIFICATION}deleteFiles", **ids, fileIds=file_ids[2:])
    assert (some["deleteAll"], rest["deleteAll"]) == (False, True)
    del ids["batchId"]
    batch_id = call.upload("d", path=path, ids=ids)["batchId"]
    call("DELETE", f"{CLASSIFICATION}deleteBatch", **ids, batchId=batch_id)
    call("DELETE", f"{CLASSIFICATION}deleteClassification", **ids)


@pytest.mark.extracta_emulator(polls_until_finished=1, processing_time=timedelta(seconds=0.1))
def test_an_addition_makes_a_batch_wait_again(service: Service) -> None:
    batch_id = service.batch("a.pdf")
    for names in (["a.pdf"], ["a.pdf", "b.pdf"]):
        if len(names) > 1:
            assert service.batch(names[-1], batchId=batch_id) == batch_id
        began = time.monotonic()
        while "files" not in (answer := service.poll(batch_id)):
            assert answer == {"status": "waiting"}
            time.sleep(0.01)
        assert time.monotonic() - began > 0.08
        assert [file["fileName"] for file in answer["files"]] == names


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('filename="plain.pdf"', "plain.pdf"),
        ('filename="say %22hi%22%0D%0A.pdf"', 'say "hi"\r\n.pdf'),
        ('filename="Füße €.pdf"', "Füße €.pdf"),
        ("filename=\"x\"; filename*=UTF-8''%E6%96%87%22%0A%3B.pdf", '文"\n;.pdf'),
        ('filename="a;b=\\c.pdf"', "a;b=\\c.pdf"),
    ],
)
def test_file_names_arrive_intact(service: Service, header: str, name: str) -> None:
    parts = [("name=extractionId", service.extraction_id.encode())]
    answer = service.call.upload_parts([*parts, (f'name="files"; {header}', b"abc")])
    assert answer["files"][0]["fileName"] == name
    assert service.poll(answer["batchId"])["files"][0]["fileName"] == name
    uploaded = service.emulator.requests()[-2]
    assert uploaded.parts[1].file_name == name
    assert uploaded.parts[1].sha256 == hashlib.sha256(b"abc").hexdigest()
    assert uploaded.parts[1].content_disposition.endswith(header)


def test_requests_are_recorded(service: Service) -> None:
    batch_id = service.batch("a.pdf", "b.pdf")
    service.poll(batch_id)
    created, uploaded, polled = service.emulator.requests()
    assert created.json() == {"extractionDetails": TEMPLATE}
    assert created.extraction_id == service.extraction_id
    assert (uploaded.method, uploaded.path, uploaded.endpoint) == (
        "POST",
        "/uploadFiles",
        "uploadFiles",
    )
    assert (uploaded.batch_id, len(uploaded.file_ids), uploaded.body) == (batch_id, 2, b"")
    assert [(part.name, part.size) for part in uploaded.parts[1:]] == [("files", 1)] * 2
    assert polled.header("AUTHORIZATION") == "Bearer test-key"
    assert polled.header("nothing") is None
    assert created.time < uploaded.time < polled.time < 20
    assert abs(polled.unix_time - time.time()) < 20
    assert "test-key" not in repr(created)
    assert all(request.carried_out for request in (created, uploaded, polled))


def test_refusals(service: Service) -> None:
    def status(body: bytes, method: str = "POST", path: str = "viewExtraction") -> int:
        answer = service.call.send(method, path, body, "application/json")
        assert answer.json()["status"] == "error"
        assert not service.last.carried_out
        assert service.last.status == answer.status
        return answer.status

    assert [status(body) for body in (b"", b"{", b"[]", b"{}", b'{"extractionId": 1}')] == [400] * 5
    assert status(b'{"extractionId": "-Onone"}') == 404
    assert status(b"{}", "GET") == 404
    assert status(b"{}", path="getBatchResult") == 404
    assert status(b"x", path="uploadFiles") == 400
    assert status(b"[" * 1_000_000) == 400
    assert status(b" " * (11 << 20)) == 413
    service.call.headers = {"Authorization": "Bearer wrong"}
    assert status(b"{}") == 401
    service.call.headers = {}
    assert status(b"{}") == 401


def strike(service: Service, batch_id: str, **fault: Any) -> Answer:
    service.emulator.faults.add("getBatchResults", **fault)
    answer = service.poll_raw(batch_id)
    assert service.emulator.faults.pending() == 0
    return answer


def test_a_fault_changes_the_answer(service: Service) -> None:
    batch_id = service.batch("a.pdf")
    answer = strike(service, batch_id, status=429, retry_after=2.0)
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert (service.last.status, service.last.carried_out) == (429, False)
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    assert strike(service, batch_id, status=503, retry_after=date).headers["retry-after"] == date
    answer = strike(service, batch_id, body="<html>", headers={"Content-Type": "text/html"})
    assert (answer.status, answer.body, answer.headers["content-type"]) == (
        200,
        b"<html>",
        "text/html",
    )
    assert service.last.carried_out
    assert len(strike(service, batch_id, status=500, body=b"x" * 5_000_000).body) == 5_000_000
    assert strike(service, batch_id, status=502, carry_out=True).status == 502
    assert service.last.carried_out
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        strike(service, batch_id, malformed=True).json()


def test_a_fault_takes_time(service: Service) -> None:
    batch_id = service.batch("a.pdf")
    faults: list[dict[str, Any]] = [{"delay": 0.2}, {"slow_body": timedelta(seconds=0.2)}]
    for fault in faults:
        began = time.monotonic()
        assert strike(service, batch_id, **fault).json()["files"]
        assert time.monotonic() - began > 0.19


def test_a_fault_cuts_the_connection(service: Service) -> None:
    batch_id = service.batch("a.pdf")
    for cut, carried_out in (("before", False), ("after", True)):
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            strike(service, batch_id, cut=cut)
        assert (service.last.status, service.last.carried_out) == (None, carried_out)
        service.call.close()
    with pytest.raises(http.client.IncompleteRead) as caught:
        strike(service, batch_id, cut="mid")
    assert caught.value.partial
    service.call.close()
    service.emulator.faults.add("uploadFiles", cut="after")
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        service.batch("lost.pdf")
    assert service.last.carried_out
    assert service.last.batch_id is not None
    service.call.close()
    assert service.poll(service.last.batch_id)["files"][0]["fileName"] == "lost.pdf"


def test_faults_choose_and_count(service: Service) -> None:
    faults: Faults = service.emulator.faults
    one, two = service.batch("a"), service.batch("a")
    faults.add("getBatchResults", batch_id=two, times=2, status=500)
    faults.add("*", status=503, times=None)
    assert faults.pending() == 3
    statuses = [service.poll_raw(batch_id).status for batch_id in (one, two, two, two)]
    assert statuses == [503, 500, 500, 503]
    faults.clear()
    assert service.poll_raw(two).status == 200
    nonsense: list[tuple[str, dict[str, Any]]] = [
        ("getBatchResult", {"status": 500}),
        ("*", {}),
        ("*", {"status": 99}),
        ("*", {"delay": -1}),
        ("*", {"delay": float("nan")}),
        ("*", {"cut": "middle"}),
        ("*", {"status": 500, "times": 0}),
        ("*", {"headers": {"a b": "c"}}),
    ]
    for endpoint, fault in nonsense:
        with pytest.raises(ValueError, match=r"."):
            faults.add(endpoint, **fault)


def signature(result: bytes, key: bytes) -> str:
    return base64.b64encode(hmac.digest(key, result, "sha256")).decode()


@pytest.mark.parametrize("legacy", [False, True])
def test_webhooks_are_signed(hook: Hook, legacy: bool) -> None:
    options: dict[str, Any] = {"webhook_url": hook.url, "legacy_webhook": legacy}
    results = {"ünï.pdf": {"number": '€ \u2028 \\ / "', "total": 1.5, "2": [], "1": None}}
    with Emulator(**options, webhook_secret="E_AI_K_sëcret", results=results) as emulator:
        call = Caller(emulator)
        made = call("POST", "createExtraction", extractionDetails=TEMPLATE)
        uploaded = call.upload("ünï.pdf", ids={"extractionId": made["extractionId"]})
        (delivery,) = emulator.wait_for_deliveries(1)
        call.close()
    (body, header) = hook.received[0]
    assert (delivery.body, delivery.signature, delivery.status) == (body, header, 200)
    assert delivery.event == "extraction.processed"
    start = b'{"result":' if legacy else b'{"event":"extraction.processed","result":'
    assert body.startswith(start)
    assert header == signature(body[len(start) : -1], "sëcret".encode())
    (file,) = json.loads(body)["result"]
    assert file["result"] == results["ünï.pdf"]
    assert (file["extractionId"], file["batchId"]) == (made["extractionId"], uploaded["batchId"])


def test_failed_deliveries_are_repeated(hook: Hook) -> None:
    hook.statuses = [500, 404]
    with Emulator(webhook_url=hook.url, fail_files=["bad"]) as emulator:
        call = Caller(emulator)
        made = call("POST", "createExtraction", extractionDetails=TEMPLATE)
        call.upload("bad", ids={"extractionId": made["extractionId"]})
        deliveries = emulator.wait_for_deliveries(3, timeout=timedelta(seconds=10))
        call.close()
        with pytest.raises(TimeoutError, match="3 of 4"):
            emulator.wait_for_deliveries(4, timeout=0.2)
    assert [(d.attempt, d.status) for d in deliveries] == [(1, 500), (2, 404), (3, 200)]
    assert {d.event for d in deliveries} == {"extraction.failed"}
    assert len({body for body, _ in hook.received}) == 1


def run(**options: Any) -> Any:
    with Emulator(**options) as emulator:
        call = Caller(emulator)
        made = call("POST", "createExtraction", extractionDetails=TEMPLATE)
        ids = {"extractionId": made["extractionId"]}
        ids["batchId"] = call.upload("a.pdf", "b.pdf", ids=ids)["batchId"]
        answer = call("POST", "getBatchResults", **ids)
        call.close()
    return answer


def test_the_seed_decides_ids_and_results() -> None:
    assert run(seed=-5) == run(seed=-5)
    assert run(seed=1) != run(seed=2)


def test_results_of_ones_own() -> None:
    files = run(results={"a.pdf": {"total": 3}})["files"]
    assert files[0]["result"] == {"total": 3}
    assert files[1]["result"]["number"] == "INV-1"
    calls = []

    def results(name: str, content: bytes, template: dict[str, Any]) -> dict[str, Any] | None:
        calls.append((name, content, template))
        return {"own": name} if name == "a.pdf" else None

    files = run(results=results)["files"]
    assert files[0]["result"] == {"own": "a.pdf"}
    assert files[1]["result"]["number"] == "INV-1"
    assert calls == [("a.pdf", b"x", TEMPLATE), ("b.pdf", b"x", TEMPLATE)]
    failed = run(fail_files=["b.pdf"])["files"][1]
    assert failed["status"] == "failed"
    assert failed["error"]
    with pytest.raises(ValueError, match="JSON compliant"):
        run(results={"a.pdf": {"total": float("nan")}})
    with pytest.raises(TypeError, match="results must be"):
        run(results=[])


def test_what_results_raise_is_raised_again() -> None:
    def broken(name: str, content: bytes, template: dict[str, Any]) -> dict[str, Any]:
        raise LookupError(name)

    with pytest.raises(LookupError, match=r"a\.pdf") as caught:
        run(results=broken)
    assert caught.value.__notes__ == ["results raised 1 more errors"]
    with pytest.raises(TypeError, match="not list"):
        run(results=lambda *_: [])
    with pytest.raises(KeyError) as other, Emulator(results=broken) as emulator:
        call = Caller(emulator)
        made = call("POST", "createExtraction", extractionDetails=TEMPLATE)
        ids = {"extractionId": made["extractionId"]}
        ids["batchId"] = call.upload("a.pdf", ids=ids)["batchId"]
        (file,) = call("POST", "getBatchResults", **ids)["files"]
        call.close()
        assert (file["status"], file["error"]) == ("failed", "results raised LookupError")
        raise KeyError("the test's own")
    assert "LookupError('a.pdf')" in other.value.__notes__[0]


def test_starting_and_stopping() -> None:
    emulator = Emulator(api_key="hidden-key", webhook_secret="E_AI_K_hidden")
    for unready in (lambda: emulator.base_url, emulator.requests, lambda: emulator.faults):
        with pytest.raises(RuntimeError, match="not started"):
            unready()
    emulator.stop()
    assert emulator.start() is emulator
    with pytest.raises(RuntimeError, match="running"):
        emulator.start()
    assert "hidden" not in repr(emulator)
    call = Caller(emulator, "wrong")
    assert call.send("GET", "credits", b"", "x/y").status == 401
    began = time.monotonic()
    emulator.stop()
    emulator.stop()
    assert time.monotonic() - began < 1.5
    call.close()
    with pytest.raises(ConnectionRefusedError):
        call.send("GET", "credits", b"", "x/y")
    assert len(emulator.requests()) == 1
    assert "stopped" in repr(emulator)
    with emulator:
        assert emulator.requests() == []
    wrong: list[dict[str, Any]] = [
        {"webhook_url": "https://example.com"},
        {"webhook_url": "http://127.0.0.1:1", "webhook_secret": "E_AI_K_"},
        {"processing_time": -1},
        {"processing_time": float("inf")},
        {"polls_until_finished": -1},
    ]
    for options in wrong:
        with pytest.raises(ValueError, match=r"."):
            Emulator(**options).start()


EXIT = """
import http.client, json, os, sys, threading, time
from extracta_rs import AsyncClient, Client
from extracta_rs.testing import Emulator
def slow(name, content, template):
    for _ in range(10_000):
        time.sleep(0.0001)
    return {}
emulator = Emulator(results=slow, webhook_url="http://127.0.0.1:9/").start()
base = emulator.base_url.removeprefix("http://").removesuffix("/api/v1")
def send(path, body, kind):
    connection = http.client.HTTPConnection(base)
    headers = {"Authorization": "Bearer test-key", "Content-Type": kind}
    connection.request("POST", "/api/v1/" + path, body, headers)
    return json.loads(connection.getresponse().read())
details = {"name": "n", "language": "English", "fields": [{"key": "k"}]}
made = send("createExtraction", json.dumps({"extractionDetails": details}), "application/json")
part = "--b\\r\\nContent-Disposition: form-data; name=%s\\r\\n\\r\\n%s\\r\\n"
body = part % ("extractionId", made["extractionId"]) + part % ('files; filename="a"', "x") + "--b--"
send("uploadFiles", body + "\\r\\n", "multipart/form-data; boundary=b")
emulator.faults.add("*", delay=1000)
time.sleep(0.2)
HOW
"""


@pytest.mark.parametrize("how", ["", "os.fork() or sys.exit(0); os.wait()", "del emulator"])
def test_a_running_emulator_is_silent_at_exit(how: str) -> None:
    code = EXIT.replace("HOW", how)
    # From Python 3.12 on a fork of a process with threads is warned of: that is not the emulator's.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    ended = subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_leaves_the_emulator_alone(service: Service) -> None:
    code = 0
    child = os.fork()
    if child == 0:
        try:
            service.emulator.stop()
            service.emulator.requests()
        except RuntimeError as error:
            code = 7 if "parent process" in str(error) else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert service.call("GET", "credits")["status"] == "success"


def test_the_fixtures_fit_together(
    extracta_client: Client, extracta_async_client: AsyncClient
) -> None:
    assert extracta_client.credits() == asyncio.run(extracta_async_client.credits()) == 100_000


@pytest.mark.extracta_emulator(polls_until_finished=1)
def test_thousands_of_batches_stay_fast(service: Service) -> None:
    began = time.monotonic()
    batches = [service.batch("a.pdf") for _ in range(5_000)]
    assert all(service.poll(batch_id) == {"status": "waiting"} for batch_id in batches)
    assert all(service.poll(batch_id)["files"] for batch_id in batches)
    assert len(service.emulator.requests()) == 15_001
    # A debug build takes some 8 seconds here; growing costs would take minutes.
    assert time.monotonic() - began < 60
