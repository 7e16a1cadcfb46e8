"""DAGs on a running Airflow; the emulator's log of requests says what was asked, and paid for."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Service
from rig import SLOW, Airflow, until

ROOT = Path(__file__).parents[3]
PROGRAM = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
TASKS = int(os.environ.get("EXTRACTA_AIRFLOW_TASKS", "200"))
IDS = {"token", "extraction_id", "classification_id", "batch_id", "files", "failed", "results_path"}

Serve = Callable[..., Service]


def programs(page: Path) -> list[str]:
    return PROGRAM.findall(page.read_text(encoding="utf-8"))


def state(airflow: Airflow, dag_id: str, run_id: str) -> str:
    (task,) = airflow.tasks(dag_id, run_id)
    return str(task["state"])


def test_airflow_finds_the_provider_and_its_connection_type(airflow: Airflow) -> None:
    assert "airflow-provider-extracta" in airflow.cli("providers", "list")
    hooks = airflow.cli("providers", "hooks", "--output", "json")
    assert "airflow_provider_extracta.hooks.ExtractaHook" in hooks
    meta = airflow.ask("GET", "/ui/connections/hook_meta")
    (form,) = [form for form in meta if form["connection_type"] == "extracta"]
    assert set(form["extra_fields"]) == {
        "timeout", "connect_timeout", "min_poll_spacing", "limiter", "max_retries"
    }  # fmt: skip
    assert form["standard_fields"]["password"]["title"] == "API key"


def test_a_connection_can_be_tested(airflow: Airflow, serve: Serve) -> None:
    service = serve()
    body = {"connection_id": "tested", "conn_type": "extracta", "host": service.emulator.base_url}
    good = {**body, "password": service.emulator.api_key}
    answer = airflow.ask("POST", "/api/v2/connections/test", good)
    assert answer["status"], answer
    assert "credits" in answer["message"]
    answer = airflow.ask("POST", "/api/v2/connections/test", {**body, "password": "not-the-key"})
    assert not answer["status"]
    assert "AuthenticationError" in answer["message"]
    assert "not-the-key" not in answer["message"]


@pytest.mark.parametrize("dag_id", ["inline", "deferred"])
def test_results_go_to_disk_and_ids_to_xcom(airflow: Airflow, serve: Serve, dag_id: str) -> None:
    service = serve(processing_time=2)
    run = airflow.run(dag_id, **service.conf, files=[service.file("a.pdf"), service.file("b.pdf")])
    assert airflow.ended(dag_id, run) == "success", airflow.task_log(dag_id)
    (results,) = service.results()
    assert {file["fileName"] for file in results["files"]} == {"a.pdf", "b.pdf"}
    assert results["files"][0]["result"]["total"] == "801.89"
    ids = airflow.xcom(dag_id, run, "extract")
    assert set(ids) == IDS
    assert (ids["files"], ids["failed"]) == (2, 0)
    assert ids["results_path"] == str(
        Path(service.conf["results_path"]) / f"{ids['batch_id']}.json"
    )
    assert len(service.uploads()) == 1


@pytest.mark.parametrize("dag_id", ["inline", "deferred"])
def test_a_worker_killed_behind_its_upload_pays_once(
    airflow: Airflow, serve: Serve, dag_id: str
) -> None:
    service = serve(processing_time=1)
    service.emulator.faults.add("uploadFiles", delay=30)  # carried out; the answer is held back
    pids = service.folder / "pids"
    pids.mkdir()
    run = airflow.run(dag_id, **service.conf, files=[service.file()], pids=str(pids))
    until(lambda: [one for one in service.uploads() if one.carried_out], "the upload")
    os.kill(int((pids / "1").read_text()), signal.SIGKILL)
    assert airflow.ended(dag_id, run) == "success", airflow.task_log(dag_id)
    (task,) = airflow.tasks(dag_id, run)
    assert task["try_number"] == 2
    assert len(service.uploads()) == 1
    assert len(service.results()) == 1


def test_a_worker_killed_while_it_waits_goes_on_with_the_batch(
    airflow: Airflow, serve: Serve
) -> None:
    service = serve(processing_time=8)
    pids = service.folder / "pids"
    pids.mkdir()
    run = airflow.run("inline", **service.conf, files=[service.file()], pids=str(pids))
    until(lambda: service.looks(), "a look")
    os.kill(int((pids / "1").read_text()), signal.SIGKILL)
    assert airflow.ended("inline", run) == "success", airflow.task_log("inline")
    assert len(service.uploads()) == 1
    # The state store knew the batch: nothing had to be looked for.
    assert not [r for r in service.emulator.requests() if r.endpoint == "viewExtraction"]
    assert "Reconnecting to existing job" in airflow.task_log("inline")


def test_a_refused_upload_to_a_fresh_extraction_can_be_tried_again(
    airflow: Airflow, serve: Serve
) -> None:
    service = serve()
    service.emulator.faults.add("uploadFiles", status=403)
    run = airflow.run("deferred", **service.conf, files=[service.file()])
    assert airflow.ended("deferred", run) == "success", airflow.task_log("deferred")
    assert [upload.carried_out for upload in service.uploads()] == [False, True]


def test_a_failed_file_fails_the_task_without_retries(airflow: Airflow, serve: Serve) -> None:
    names = ["a.pdf", "bad.pdf"]
    label = "deferred.extract.a_failed_file.-1"
    mark = hashlib.sha256(label.encode()).hexdigest()[:20]
    service = serve(fail_files=[f"xr-{mark}-bad.pdf"])
    files = [service.file(name) for name in names]
    run = airflow.run("deferred", run_id="a_failed_file", **service.conf, files=files)
    assert airflow.ended("deferred", run) == "failed"
    (task,) = airflow.tasks("deferred", run)
    assert task["try_number"] == 1
    assert "could not process 1 of 2 files" in airflow.task_log("deferred")
    assert len(service.results()[0]["files"]) == 2


@pytest.mark.parametrize("dag_id", ["inline", "deferred"])
def test_a_killed_task_leaves_its_batch(airflow: Airflow, serve: Serve, dag_id: str) -> None:
    service = serve(processing_time=60)
    run = airflow.run(dag_id, run_id="killed", **service.conf, files=[service.file()])
    until(lambda: service.looks(), "a look: the wait has begun")
    airflow.fail(dag_id, run, "extract")
    until(lambda: "goes on at the service" in airflow.task_log(dag_id, run), "what it says", 40)
    assert airflow.ended(dag_id, run) == "failed"
    assert not [request for request in service.emulator.requests() if request.method == "DELETE"]
    assert len(service.client.extractions.view(service.conf["extraction_id"]).batches or {}) == 1


def test_a_wait_outlives_the_triggerer(airflow: Airflow, serve: Serve) -> None:
    service = serve(processing_time=6)
    run = airflow.run("deferred", **service.conf, files=[service.file()])
    until(lambda: service.looks(), "a look")
    assert state(airflow, "deferred", run) == "deferred"
    airflow.kill_service("triggerer")
    killed = len(service.emulator.requests())
    airflow.start_service("triggerer")
    assert airflow.ended("deferred", run) == "success", airflow.task_log("deferred")
    assert len(service.emulator.requests()) > killed
    assert len(service.uploads()) == 1
    (task,) = airflow.tasks("deferred", run)
    assert task["try_number"] == 1


def test_a_batch_of_elsewhere_is_waited_for(airflow: Airflow, serve: Serve, dags: Path) -> None:
    service = serve(conn_id="sensed", processing_time=2)
    run = airflow.run("sensed", **service.conf, files=[service.file()])
    assert airflow.ended("sensed", run) == "success", airflow.task_log("sensed")
    for task_id in ("poke", "reschedule", "defer"):
        ids = airflow.xcom("sensed", run, task_id)
        assert set(ids) == IDS
        assert ids["files"] == 1
    assert len(service.uploads()) == 1


def test_many_deferred_tasks_share_one_client(airflow: Airflow, serve: Serve) -> None:
    spacing = 0.1
    service = serve(spacing=spacing, processing_time=15 + TASKS / 5)
    documents = service.folder / "documents"
    documents.mkdir()
    for number in range(TASKS):
        (documents / f"{number:03}.pdf").write_bytes(b"%%PDF-1.7 %d" % number)
    for endpoint in ("viewExtraction", "getBatchResults"):
        service.emulator.faults.add(endpoint, times=2, delay=SLOW)
    printed = len(airflow.log("triggerer"))
    run = airflow.run("many", **service.conf, folder=str(documents))
    assert airflow.ended("many", run, timeout=900) == "success"
    assert service.emulator.faults.pending() == 0
    uploads = service.uploads()
    names = {part.file_name for upload in uploads for part in upload.parts if part.file_name}
    assert len(names) == len(uploads) == len(service.results()) == TASKS
    looks = service.looks()
    gaps = [after.time - before.time for before, after in itertools.pairwise(looks)]
    print(f"{len(looks)} looks for {TASKS} tasks, the closest {min(gaps):.3f} s apart")
    assert min(gaps) >= spacing * 0.95
    asked = [look.batch_id for look in looks if look.endpoint == "getBatchResults"]
    assert len(set(asked)) == TASKS
    # A batch is asked for when no listing showed it yet, when one shows it finished, and one look
    # in ten is at a batch itself; all else is one listing for all.
    assert len(asked) <= 2 * TASKS + len(looks) / 10
    assert "was blocked" not in airflow.log("triggerer")[printed:]


def test_the_dags_of_the_documents_pass_strict_type_checkers(tmp_path: Path) -> None:
    for number, program in enumerate(programs(ROOT / "docs" / "airflow.md")):
        (tmp_path / f"program_{number}.py").write_text(program, encoding="utf-8")
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    files = sorted(str(path) for path in tmp_path.glob("*.py"))
    for command in (["mypy", "--strict", *files], ["pyright", "--pythonpath", sys.executable]):
        ran = subprocess.run(
            [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_dags_of_the_documents_run(airflow: Airflow, serve: Serve, dags: Path) -> None:
    """docs/airflow.md, and README.md, which has the first of its DAGs."""
    first, second = programs(ROOT / "docs" / "airflow.md")
    assert programs(Path(__file__).parents[1] / "README.md") == [first]
    service = serve(conn_id="extracta_default", processing_time=1)
    (service.folder / "inbox").mkdir()
    for name in ("inbox/1.pdf", "inbox/2.pdf", "contract.pdf"):
        service.file(name)
    for number, program in enumerate((first, second)):
        here = program.replace("<extraction id>", service.conf["extraction_id"])
        here = here.replace("/data/invoices", str(service.folder))
        here = here.replace("/data", str(service.folder))
        (dags / f"documents_{number}.py").write_text(here, encoding="utf-8")
    runs = {dag_id: airflow.run(dag_id) for dag_id in ("invoices", "one_contract")}
    for dag_id, run in runs.items():
        assert airflow.ended(dag_id, run) == "success", airflow.task_log(dag_id)
    assert airflow.xcom("invoices", runs["invoices"], "totals") == ["801.89", "801.89"]
    assert airflow.xcom("one_contract", runs["one_contract"], "parties") == 1
    assert len(service.uploads()) == 3
