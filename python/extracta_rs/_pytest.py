"""The pytest plugin: an emulator, clients of it, and cassettes, as fixtures.

pytest imports this module at every start, also where nobody uses it: it imports nothing heavy.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from . import AsyncClient, Client
    from .testing import Cassette, Emulator

_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer `--extracta-cassettes`."""
    parser.getgroup("extracta_rs").addoption(
        "--extracta-cassettes",
        choices=("replay", "once", "record"),
        default="replay",
        help="what `extracta_cassette` does: replay (the default, offline), record with the key "
        "of EXTRACTA_API_KEY the cassettes that are missing (once), or all of them anew (record)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    for line in (
        "extracta_emulator(**options): options of the `extracta_emulator` fixture, those of "
        "`extracta_rs.testing.Emulator`",
        "extracta_cassette(name=None, **options): the file of the `extracta_cassette` fixture, and "
        "options as for `extracta_rs.testing.cassette`",
    ):
        config.addinivalue_line("markers", line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember failures: a failed test records no cassette."""
    report = yield
    if report.when != "teardown" and not report.passed:
        item.stash[_FAILED] = True
    return report


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


@pytest.fixture
def extracta_cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """Yield a `Cassette`: recorded traffic, in `cassettes/MODULE/TEST.json` beside the module.

    Replays, unless pytest was called with `--extracta-cassettes=once` or `record`. Nothing is
    recorded of a test that fails. `@pytest.mark.extracta_cassette("name.json", scrub="iban")`
    names another file in `cassettes`, and gives options as for `extracta_rs.testing.cassette`;
    those of a module's or a class's marker hold too.
    """
    from .testing import cassette

    options: dict[str, Any] = {"mode": request.config.getoption("--extracta-cassettes")}
    # The one that is nearest to the test comes first.
    for marker in reversed(list(request.node.iter_markers("extracta_cassette"))):
        options |= dict(zip(("name",), marker.args, strict=False)) | marker.kwargs
    name = options.pop("name", None) or _file_name(request.node)
    path: Path = request.path.parent / "cassettes" / name
    if options["mode"] == "replay" and not path.exists():
        pytest.fail(
            f"there is no cassette {path}; with a key in EXTRACTA_API_KEY "
            "`pytest --extracta-cassettes=once` records it",
            pytrace=False,
        )
    with cassette(path, **options) as tape:
        yield tape
        if request.node.stash.get(_FAILED, False):
            tape.discard()


def _file_name(item: pytest.Item) -> str:
    """Return `MODULE/TEST.json`, with what a file's name cannot have put otherwise."""
    inside = item.nodeid.partition("::")[2].replace("::", ".")
    plain = re.sub(r"[^\w.-]+", "-", inside, flags=re.ASCII).strip("-")
    # Brackets are what pytest writes around parameters; what else was changed must stay unique.
    if re.sub(r"[\[\]]", "-", inside).strip("-") != plain or len(plain) > 100:
        plain = f"{plain[:100]}-{hashlib.sha256(inside.encode()).hexdigest()[:8]}"
    return f"{item.path.stem}/{plain}.json"
