"""docs/testing.md and docs/notebooks.md: their programs run, their figures are the code's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from extracta_rs import _html, templates
from extracta_rs.testing import Emulator, _format, _recorder, _scrub

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

DOCS = Path(__file__).parent.parent / "docs"
TESTING = (DOCS / "testing.md").read_text(encoding="utf-8")
NOTEBOOKS = (DOCS / "notebooks.md").read_text(encoding="utf-8")
PROGRAMS = dict(re.findall(r"^```python\n# (\w+\.py)\n(.*?)^```$", TESTING, re.M | re.S))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """What stands for the real service."""
    with Emulator(api_key="sk-doc-0123456789") as emulator:
        monkeypatch.setenv("EXTRACTA_API_KEY", emulator.api_key)
        monkeypatch.setenv("EXTRACTA_BASE_URL", emulator.base_url)
        yield emulator


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """The programs of the page, as files."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "extracta_rs._pytest")
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    for name, program in PROGRAMS.items():
        (pytester.path / name).write_text(program, encoding="utf-8")
    return pytester


def test_every_program_of_the_page_has_a_name() -> None:
    assert list(PROGRAMS) == [
        "test_totals.py", "test_webhook.py", "record_invoices.py", "test_recorded.py",
    ]  # fmt: skip
    assert TESTING.count("```python") == len(PROGRAMS)


def test_the_tests_of_the_page_pass(
    suite: pytest.Pytester, service: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    [command] = re.findall(r"^pytest (.*)$", TESTING, re.M)
    suite.runpytest_subprocess(command).assert_outcomes(passed=7)
    [path] = re.findall(r"`(cassettes/test_\w+/\w+\.json)`", TESTING)
    kept = json.loads((suite.path / path).read_text(encoding="utf-8"))
    named = re.findall(r"`(\w+)`", TESTING.partition("read and committed:")[2].partition("\n")[0])
    assert set(named) | {"exchanges"} <= set(kept)
    service.stop()
    monkeypatch.delenv("EXTRACTA_API_KEY")
    suite.runpytest_subprocess().assert_outcomes(passed=7)


def test_the_recording_of_the_page_runs(suite: pytest.Pytester, service: Emulator) -> None:
    program = suite.path / "record_invoices.py"
    subprocess.run([sys.executable, "-W", "error", program], cwd=suite.path, check=True)
    text = (suite.path / "cassettes" / "invoices.json").read_text(encoding="utf-8")
    assert service.api_key not in text
    [iban] = [
        field["example"]
        for group in templates.load("invoice")["fields"]
        for field in group.get("properties", [])
        if field["key"] == "iban"
    ]
    answers = [json.dumps(one["answer"]) for one in json.loads(text)["exchanges"]]
    assert iban not in "".join(answers)


def test_what_the_page_says_is_kept() -> None:
    for header in _recorder.KEPT_HEADERS:
        assert f"`{header}`" in TESTING
    for key in ("password", "secret", "apiKey"):
        assert key.lower() in _scrub._SECRET_KEYS
    assert f"by `{_scrub.SCRUBBED}`" in TESTING
    assert _format.VERSION == 1


def test_links_lead_to_headings() -> None:
    for page in (TESTING, NOTEBOOKS):
        headings = {
            title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", page, re.M)
        }
        for target in re.findall(r"\]\(([^)]+)\)", page):
            file, _, heading = target.partition("#")
            assert not file or (DOCS / file).exists(), target
            assert not heading or heading in headings, target


def test_the_limits_of_the_page() -> None:
    said = NOTEBOOKS.partition("## What is shown")[2]
    for number, limit in re.findall(r"(\d+) (rows|fields|characters|keys)", said):
        real = {
            "rows": _html.MOST_ROWS,
            "fields": _html.MOST_FIELDS,
            "characters": _html.MOST_TEXT,
            "keys": _html.MOST_COLUMNS,
        }[limit]
        assert int(number) == real, limit
