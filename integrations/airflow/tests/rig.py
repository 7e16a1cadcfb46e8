"""A whole Airflow of its own: database, API server, scheduler, DAG processor, triggerer."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

T = TypeVar("T")
SERVICES = ("api-server", "scheduler", "dag-processor", "triggerer")
ENDED = {"success", "failed"}
# Airflow's 0.2 s are met by a machine under load, too. A blocking request takes SLOW seconds here.
BLOCKED = {"blocked_main_thread_warning_threshold": "0.8"}
SLOW = 2.0


def until(question: Callable[[], T | None], what: str, timeout: float = 120.0) -> T:
    """Ask until there is an answer that is true, and return it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {timeout} s")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Airflow:
    """Airflow's processes under one home, and its REST API."""

    def __init__(self, home: Path, dags: Path) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._token: str | None = None
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")},
            **settings(home, dags, self.url),
        }

    def start(self) -> None:
        """Make the database and start all services; come back when they are at work."""
        self.cli("db", "migrate")
        for service in SERVICES:
            self.start_service(service)
        until(self._is_healthy, "a healthy Airflow")

    def start_service(self, name: str) -> None:
        """Start one service, in a process group of its own."""
        command = [airflow_command(), name]
        if name == "scheduler":  # its tasks shall not starve the triggerer, which is measured
            command = ["nice", "-n", "10", *command]
        with (self.home / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_service(self, name: str) -> None:
        """Kill one service and all of its children."""
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        """End all services."""
        for process in self._processes.values():
            process.terminate()
        for name in list(self._processes):
            with suppress(subprocess.TimeoutExpired):
                self._processes[name].wait(timeout=10)
            with suppress(ProcessLookupError):
                self.kill_service(name)

    def cli(self, *arguments: str) -> str:
        """Run an `airflow` command and return what it prints."""
        done = subprocess.run(
            [airflow_command(), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, service: str) -> str:
        """Return what a service has printed."""
        return (self.home / f"{service}.log").read_text(encoding="utf-8", errors="replace")

    def task_log(self, dag_id: str, run_id: str = "") -> str:
        """Return the logs of all tasks of a run, or of a DAG."""
        folder = self.home / "logs" / f"dag_id={dag_id}"
        logs = sorted((folder / f"run_id={run_id}" if run_id else folder).rglob("*.log*"))
        return "".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Make one request to the REST API."""
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            error.add_note(error.read().decode(errors="replace"))
            raise

    def connect(self, conn_id: str, host: str, key: str, **extra: object) -> None:
        """Make a connection of the type `extracta`."""
        body = {"connection_id": conn_id, "conn_type": "extracta", "host": host, "password": key}
        self.ask("POST", "/api/v2/connections", {**body, "extra": json.dumps(extra)})

    def run(self, dag_id: str, *, run_id: str | None = None, **conf: object) -> str:
        """Start a DAG and return the run's id."""
        until(lambda: self._knows(dag_id), f"the DAG {dag_id}")
        body = {"conf": conf, "logical_date": None, "dag_run_id": run_id}
        return str(self.ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def ended(self, dag_id: str, run_id: str, timeout: float = 120.0) -> str:
        """Wait for the end of a run and return its state."""

        def state() -> str | None:
            now = self.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")["state"]
            return now if now in ENDED else None

        return until(state, f"the end of {dag_id}", timeout)

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances"
        found: list[dict[str, Any]] = []
        while True:
            page = self.ask("GET", f"{path}?limit=100&offset={len(found)}")
            found += page["task_instances"]
            if len(found) >= page["total_entries"]:
                return found

    def fail(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Mark a task as failed, as a user does."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"
        self.ask("PATCH", path, {"new_state": "failed"})

    def xcom(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        """Return what a task returned."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}"
        entry = f"{path}/xcomEntries/return_value?map_index={map_index}&deserialize=true"
        return self.ask("GET", entry)["value"]

    def _knows(self, dag_id: str) -> bool:
        errors = self.ask("GET", "/api/v2/importErrors")["import_errors"]
        assert not errors, errors
        try:
            return not self.ask("GET", f"/api/v2/dags/{dag_id}")["is_paused"]
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return False

    def _is_healthy(self) -> bool:
        dead = [name for name, process in self._processes.items() if process.poll() is not None]
        assert not dead, f"{dead} ended: {self.log(dead[0])[-2000:]}"
        try:
            health = self.ask("GET", "/api/v2/monitor/health")
            if not all(part["status"] == "healthy" for part in health.values()):
                return False
            self._token = self.ask("GET", "/auth/token")["access_token"]
        except (urllib.error.URLError, ConnectionError):
            return False
        return True


def airflow_command() -> str:
    """Return the `airflow` of this Python."""
    beside = shutil.which("airflow", path=str(Path(sys.executable).parent))
    assert beside is not None, "Airflow is not installed beside this Python"
    return beside


def settings(home: Path, dags: Path, url: str) -> dict[str, str]:
    """Return the configuration: one machine, SQLite, all in a hurry."""
    given = {
        "core": {
            "dags_folder": str(dags),
            "load_examples": "False",
            "executor": "LocalExecutor",
            "parallelism": "6",
            "max_active_tasks_per_dag": "300",
            "dags_are_paused_at_creation": "False",
            "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "execution_api_server_url": f"{url}/execution/",
            "simple_auth_manager_all_admins": "True",
            "test_connection": "Enabled",
        },
        "database": {"sql_alchemy_conn": f"sqlite:///{home / 'airflow.db'}"},
        "api": {"host": "127.0.0.1", "port": url.rpartition(":")[2], "workers": "1"},
        "api_auth": {"jwt_secret": secrets.token_hex(32)},
        "scheduler": {"scheduler_idle_sleep_time": "0.2", "min_file_process_interval": "5"},
        "dag_processor": {"refresh_interval": "5"},
        "triggerer": {
            "default_capacity": "1000",
            "job_heartbeat_sec": "1",
            "triggerer_health_check_threshold": "6",
            **BLOCKED,
        },
        "workers": {"min_heartbeat_interval": "1"},  # how soon the end of a task is noticed
        "logging": {"base_log_folder": str(home / "logs")},
    }
    named = {
        f"AIRFLOW__{section.upper()}__{option.upper()}": value
        for section, options in given.items()
        for option, value in options.items()
    }
    return {"AIRFLOW_HOME": str(home), "PYTHONWARNINGS": "ignore", **named}
