"""One Airflow for all tests, and an emulator with a connection to it for each."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rig import Airflow

from extracta_rs import Client, templates
from extracta_rs.testing import Emulator, Request

HERE = Path(__file__).parent
HOME = tempfile.mkdtemp(prefix="airflow-home-")
os.environ["AIRFLOW_HOME"] = HOME  # for what this process imports of Airflow, not ~/airflow


def pytest_unconfigure() -> None:
    shutil.rmtree(HOME)


@pytest.fixture(scope="session")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of DAGs."""
    folder = tmp_path_factory.mktemp("dags")
    return Path(shutil.copytree(HERE / "dags", folder, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def airflow(dags: Path, request: pytest.FixtureRequest) -> Iterator[Airflow]:
    """A running Airflow; its home, with all logs, stays where a test failed."""
    home = Path(tempfile.mkdtemp(prefix="airflow-"))
    running = Airflow(home, dags)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        if request.session.testsfailed:
            print(f"\nAirflow's logs: {home}")
        else:
            shutil.rmtree(home)


@dataclass
class Service:
    """An emulator, and what a run's `conf` has to say of it."""

    emulator: Emulator
    client: Client
    conf: dict[str, str]
    folder: Path

    def file(self, name: str = "a.pdf") -> str:
        """Make a document and return its path."""
        path = self.folder / name
        path.write_bytes(b"%PDF-1.7 " + name.encode())
        return str(path)

    def uploads(self) -> list[Request]:
        """Return the requests that uploaded."""
        made = self.emulator.requests()
        return [request for request in made if request.endpoint == "uploadFiles"]

    def looks(self) -> list[Request]:
        """Return the requests that asked how far batches are."""
        made = self.emulator.requests()
        return [one for one in made if one.endpoint in ("viewExtraction", "getBatchResults")]

    def results(self) -> list[dict[str, Any]]:
        """Return what stands in the results folder."""
        paths = sorted(Path(self.conf["results_path"]).iterdir())
        return [json.loads(path.read_bytes()) for path in paths]


@pytest.fixture
def serve(
    airflow: Airflow, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Service]]:
    """Return a function that starts an emulator and makes a connection to it."""
    with ExitStack() as stack:

        def start(*, spacing: float = 0.2, conn_id: str = "", **options: Any) -> Service:
            emulator = stack.enter_context(Emulator(**options))
            client = stack.enter_context(
                Client(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0)
            )
            conn_id = conn_id or request.node.name.replace("[", ".").strip("]")
            airflow.connect(conn_id, emulator.base_url, emulator.api_key, min_poll_spacing=spacing)
            created = client.extractions.create(**templates.load("invoice"))
            conf = {
                "conn_id": conn_id,
                "extraction_id": created.extraction_id,
                "results_path": str(tmp_path / "results"),
            }
            return Service(emulator, client, conf, tmp_path)

        yield start
