"""One Airflow for all tests, and an emulator with a connection to it for each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from rig import Airflow

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def dags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of DAGs."""
    folder = tmp_path_factory.mktemp("dags")
    return Path(shutil.copytree(HERE / "dags", folder, dirs_exist_ok=True))


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, dags: Path, request: pytest.FixtureRequest
) -> Iterator[Airflow]:
    """A running Airflow; its home stays where a test failed."""
    home = tmp_path_factory.mktemp("airflow")
    running = Airflow(home, dags)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        if request.session.testsfailed:
            print(f"\nAirflow's logs: {home}")
