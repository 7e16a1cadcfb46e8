"""The pytest plugin in suites of users: fixtures, markers, options, recorded cassettes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from extracta_rs.testing import Emulator

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty suite in which warnings are errors, unknown markers and options too."""
    for name in ("EXTRACTA_API_KEY", "EXTRACTA_BASE_URL", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error\n"
    )
    # The plugins of others that are installed here take longer to load than a suite runs.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "extracta_rs._pytest")
    return pytester


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    """What stands for the real service."""
    with Emulator(api_key="sk-suite-key", polls_until_finished=1) as emulator:
        monkeypatch.setenv("EXTRACTA_API_KEY", "sk-suite-key")
        monkeypatch.setenv("EXTRACTA_BASE_URL", emulator.base_url)
        yield emulator


def test_emulator_and_clients(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    # As users have it: the plugin is there without being named.
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_PLUGINS")
    suite.makepyfile(
        """
        import asyncio
        import pytest

        FIELDS = [{"key": "total", "example": "9.50"}]

        def total(results):
            [file] = results
            return file.status, file.result.get("total")

        def test_blocking(extracta_client, extracta_emulator):
            made = extracta_client.extractions.create("Invoices", fields=FIELDS)
            results = extracta_client.extractions.run(made.extraction_id, ("a.pdf", b"%PDF"))
            assert total(results) == ("processed", "9.50")
            assert [r.path for r in extracta_emulator.requests()] == [
                "/createExtraction", "/uploadFiles", "/getBatchResults"
            ]

        def test_asyncio(extracta_async_client):
            async def main():
                async with extracta_async_client as client:
                    made = await client.extractions.create("Invoices", fields=FIELDS)
                    return await client.extractions.run(made.extraction_id, ("a.pdf", b"%PDF"))
            assert total(asyncio.run(main())) == ("processed", "9.50")

        @pytest.mark.extracta_emulator(fail_files=["a.pdf"], api_key="other")
        def test_marked(extracta_client, extracta_emulator):
            assert extracta_emulator.api_key == "other"
            made = extracta_client.extractions.create("Invoices", fields=FIELDS)
            results = extracta_client.extractions.run(made.extraction_id, ("a.pdf", b"%PDF"))
            assert total(results) == ("failed", None)

        @pytest.mark.extracta_emulator(webhook_secret="E_AI_K_own")
        def test_secret(extracta_client):
            from extracta_rs.testing import sign_delivery
            body, headers = sign_delivery([], "E_AI_K_own")
            assert extracta_client.verify_signature(body, headers["x-webhook-signature"])
        """
    )
    suite.runpytest_subprocess().assert_outcomes(passed=4)


def test_a_wrong_option_of_the_marker_is_told(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        import pytest

        @pytest.mark.extracta_emulator(sead=1)
        def test_one(extracta_emulator):
            pass
        """
    )
    result = suite.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*unexpected keyword argument 'sead'*"])


def test_markers_options_and_fixtures_are_documented(suite: pytest.Pytester) -> None:
    asked = ("--help", "--markers", "--fixtures")
    told = "".join(suite.runpytest_subprocess(option).stdout.str() for option in asked)
    for name in (
        "@pytest.mark.extracta_emulator(**options)",
        "@pytest.mark.extracta_cassette(name=None, **options)",
        "--extracta-cassettes",
        "extracta_emulator --",
        "extracta_client --",
        "extracta_async_client --",
        "extracta_cassette --",
        "Yield a `Cassette`",
    ):
        assert name in told, name


RECORDED = """
    import asyncio
    import pytest

    FIELDS = [{"key": "total", "example": "9.50"}]

    @pytest.mark.parametrize("content", [b"%PDF 1", b"%PDF 2"], ids=["one", "a/b"])
    def test_blocking(extracta_cassette, content):
        with extracta_cassette.client(**FAST) as client:
            made = client.extractions.create("Invoices", fields=FIELDS)
            [file] = client.extractions.run(
                made.extraction_id, ("a.pdf", content), poll_interval=0.01
            )
        assert file.result == {"total": "9.50"}

    class TestClass:
        def test_asyncio(self, extracta_cassette):
            async def main():
                async with extracta_cassette.async_client() as client:
                    return await client.credits()
            assert asyncio.run(main()) > 0


    @pytest.mark.extracta_cassette(scrub=["credits"])
    class TestMarked:
        @pytest.mark.extracta_cassette("shared.json", polls="last")
        def test_marked(self, extracta_cassette):
            with extracta_cassette.client() as client:
                if extracta_cassette.mode == "record":
                    client.credits()
                else:
                    with pytest.raises(Exception, match="credits"):
                        client.credits()
"""


def test_cassettes_are_recorded_once_and_replayed_offline(
    suite: pytest.Pytester, service: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.makepyfile(test_mine="FAST = {'min_poll_spacing': 0}\n" + _dedent(RECORDED))
    missing = suite.runpytest_subprocess()
    missing.assert_outcomes(errors=4)
    missing.stdout.fnmatch_lines(["there is no cassette *--extracta-cassettes=once*"])
    assert service.requests() == []

    suite.runpytest_subprocess("--extracta-cassettes=once").assert_outcomes(passed=4)
    folder = suite.path / "cassettes"
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.json"))
    assert names[0] == "shared.json"
    assert "test_mine/TestClass.test_asyncio.json" in names
    assert "test_mine/test_blocking-one.json" in names
    assert len(names) == 4
    assert (
        json.loads((folder / "shared.json").read_text())["exchanges"][0]["answer"]["json"][
            "credits"
        ]
        == "scrubbed"
    )
    count = len(service.requests())

    suite.runpytest_subprocess("--extracta-cassettes=once").assert_outcomes(passed=4)
    monkeypatch.delenv("EXTRACTA_API_KEY")
    monkeypatch.delenv("EXTRACTA_BASE_URL")
    suite.runpytest_subprocess().assert_outcomes(passed=4)
    suite.runpytest_subprocess("-p", "xdist", "-n2").assert_outcomes(passed=4)
    assert len(service.requests()) == count


def _dedent(text: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in text.splitlines())


def test_a_failed_test_records_nothing(suite: pytest.Pytester, service: Emulator) -> None:
    suite.makepyfile(
        """
        def test_it(extracta_cassette):
            with extracta_cassette.client() as client:
                client.credits()
            assert 0
        """
    )
    suite.runpytest_subprocess("--extracta-cassettes=record").assert_outcomes(failed=1)
    assert len(service.requests()) == 1
    assert not list(suite.path.rglob("*.json"))


def test_a_request_that_is_not_recorded_fails_the_test(
    suite: pytest.Pytester, service: Emulator
) -> None:
    program = """
        import contextlib
        from extracta_rs import ExtractaError

        def test_it(extracta_cassette):
            with extracta_cassette.client() as client, contextlib.suppress(ExtractaError):
                client.extractions.{}
    """
    suite.makepyfile(program.format('view("-one")'))
    suite.runpytest_subprocess("--extracta-cassettes=once").assert_outcomes(passed=1)
    suite.makepyfile(program.format('view("-two")'))
    result = suite.runpytest_subprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(['*the nearest one json.extractionId is "-one", not "-two"'])
