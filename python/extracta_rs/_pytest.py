"""The pytest plugin: an emulator and clients of it, as fixtures.

pytest imports this module at every start, also where nobody uses it: it imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import AsyncClient, Client
    from .testing import Emulator


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "extracta_emulator(**options): options of the `extracta_emulator` fixture"
    )


@pytest.fixture
def extracta_emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """Yield a running `Emulator`; `@pytest.mark.extracta_emulator(seed=1)` gives it options."""
    from .testing import Emulator

    marker = request.node.get_closest_marker("extracta_emulator")
    with Emulator(**(marker.kwargs if marker else {})) as emulator:
        yield emulator


@pytest.fixture
def extracta_client(extracta_emulator: Emulator) -> Iterator[Client]:
    """Yield a `Client` of the emulator that polls without pauses between requests."""
    from . import Client

    with Client(
        api_key=extracta_emulator.api_key,
        base_url=extracta_emulator.base_url,
        min_poll_spacing=0.0,
        webhook_secret=extracta_emulator.webhook_secret,
    ) as client:
        yield client


@pytest.fixture
def extracta_async_client(extracta_emulator: Emulator) -> Iterator[AsyncClient]:
    """Yield an `AsyncClient` of the emulator; it needs no plugin for asyncio."""
    from . import AsyncClient

    client = AsyncClient(
        api_key=extracta_emulator.api_key,
        base_url=extracta_emulator.base_url,
        min_poll_spacing=0.0,
        webhook_secret=extracta_emulator.webhook_secret,
    )
    try:
        yield client
    finally:
        client.close()
