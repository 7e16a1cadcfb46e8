"""The eight templates are whole, the service takes them, and the command shows and creates them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from extracta_rs import Client, templates
from extracta_rs.testing import Emulator

NAMES = [
    "bank_statement", "business_card", "contract", "custom", "email", "invoice", "receipt",
    "resume",
]  # fmt: skip
OPTIONS = {
    "hasTable", "hasVisuals", "handwrittenTextRecognition", "checkboxRecognition", "longDocument",
    "splitPdfPages",
}  # fmt: skip


def test_the_vendors_eight_kinds_are_there() -> None:
    assert templates.names() == NAMES


def walk(fields: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    assert len({field["key"] for field in fields}) == len(fields)
    for field in fields:
        yield field
        inner = field.get("properties") or field.get("items", {}).get("properties") or []
        yield from walk(inner)


@pytest.mark.parametrize("name", NAMES)
def test_each_field_is_described_and_has_an_example(name: str) -> None:
    template = templates.load(name)
    assert set(template["options"]) <= OPTIONS
    assert template["name"]
    assert template["description"].endswith(".")
    found = list(walk(template["fields"]))
    assert len(found) >= 8
    for field in found:
        assert field["description"].endswith("."), field
        assert field["type"] in ("string", "object", "array")
        assert (field["type"] == "string") == bool(field.get("example")), field
        assert (field["type"] == "object") == ("properties" in field)
        assert (field["type"] == "array") == ("items" in field)


@pytest.mark.parametrize("name", NAMES)
def test_the_service_takes_them_and_the_emulator_answers_with_the_examples(name: str) -> None:
    template = templates.load(name)
    with (
        Emulator() as emulator,
        Client(emulator.api_key, base_url=emulator.base_url, min_poll_spacing=0) as client,
    ):
        made = client.extractions.create(**template)
        assert client.extractions.view(made.extraction_id).fields == template["fields"]
        [file] = client.extractions.run(
            made.extraction_id, ("a.pdf", b"a"), poll_interval=0.01
        ).processed
    for field in template["fields"]:
        value = file.result[field["key"]]
        assert field["type"] != "string" or value == field["example"]


def command(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from extracta_rs._cli import main; sys.exit(main())",
         "templates", *args],
        env={**os.environ, **env}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_list_and_show() -> None:
    listed = command("list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == NAMES
    found = json.loads(command("list", "--json").stdout)["templates"]
    assert [each["template"] for each in found] == NAMES
    shown = command("show", "receipt").stdout
    assert "  unit_price (string): The price of one" in shown
    assert json.loads(command("show", "receipt", "--json").stdout) == templates.load("receipt")


def test_an_unknown_template_is_told_with_those_there_are() -> None:
    for verb in ("show", "create"):
        done = command(verb, "reciept")
        assert done.returncode == 2
        assert done.stderr.startswith("extracta-rs: no template is named 'reciept'; there are: ")
        assert len(done.stderr.splitlines()) == 1


def test_create() -> None:
    with Emulator() as emulator:
        env = {"EXTRACTA_API_KEY": emulator.api_key, "EXTRACTA_BASE_URL": emulator.base_url}
        done = command("create", "invoice", "--name", "Bills", "--language", "German", **env)
        assert (done.returncode, done.stderr) == (0, "")
        with Client(emulator.api_key, base_url=emulator.base_url) as client:
            made = client.extractions.view(done.stdout.strip())
        assert (made.name, made.language) == ("Bills", "German")
        assert made.fields == templates.load("invoice")["fields"]
        refused = command("create", "invoice", **{**env, "EXTRACTA_API_KEY": "wrong"})
        assert refused.returncode == 1
        assert "401" in refused.stderr
