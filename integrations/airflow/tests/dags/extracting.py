"""The DAGs of the tests; what differs from run to run is in the run's `conf`."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context
from airflow_provider_extracta.hooks import ExtractaHook
from airflow_provider_extracta.operators import ExtractaExtractOperator
from airflow_provider_extracta.sensors import ExtractaBatchSensor


def tell_pid(context: Any) -> None:
    """Let the test know which process to kill."""
    if folder := context["dag_run"].conf.get("pids"):
        Path(folder, str(context["ti"].try_number)).write_text(str(os.getpid()))


ARGUMENTS: dict[str, Any] = {
    "extraction_id": "{{ dag_run.conf['extraction_id'] }}",
    "results_path": "{{ dag_run.conf['results_path'] }}",
    "extracta_conn_id": "{{ dag_run.conf['conn_id'] }}",
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}

for name, deferrable in (("inline", False), ("deferred", True)):
    with DAG(name, schedule=None, render_template_as_native_obj=True):
        ExtractaExtractOperator(
            task_id="extract",
            files="{{ dag_run.conf['files'] }}",
            deferrable=deferrable,
            pre_execute=tell_pid,
            wait_timeout=120,
            **ARGUMENTS,
        )

with DAG("many", schedule=None) as many:

    @many.task
    def documents(**context: Any) -> list[str]:
        """One task each."""
        return sorted(str(path) for path in Path(context["dag_run"].conf["folder"]).iterdir())

    ExtractaExtractOperator.partial(
        task_id="extract", deferrable=True, **(ARGUMENTS | {"retries": 1})
    ).expand(files=documents())

with DAG("sensed", schedule=None, render_template_as_native_obj=True) as sensed:

    @sensed.task
    def upload() -> str:
        """Submit as the operator does."""
        context = get_current_context()
        conf: dict[str, Any] = context["dag_run"].conf or {}
        return ExtractaHook(conf["conn_id"]).submit(context, conf["extraction_id"], conf["files"])

    token = upload()
    CONNECTION: dict[str, Any] = {"extracta_conn_id": "sensed", "timeout": 60}
    # See README.md: an executor must have seen that a task waits before it is at work again.
    for mode, pause in (("poke", 1), ("reschedule", 6)):
        ExtractaBatchSensor(task_id=mode, token=token, mode=mode, poke_interval=pause, **CONNECTION)
    ExtractaBatchSensor(task_id="defer", token=token, deferrable=True, **CONNECTION)
