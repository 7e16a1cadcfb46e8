"""`extracta-rs templates`: the ready templates, to look at and to create extractions with."""

from __future__ import annotations

import json
from typing import Any

import click

from .. import templates
from ._outcome import USAGE, CommandError
from ._secret import connect


def run_list(as_json: bool) -> None:
    """Print the names and what each is for."""
    found = {name: templates.load(name) for name in templates.names()}
    if as_json:
        listed = [
            {"template": name, "name": each["name"], "description": each["description"]}
            for name, each in found.items()
        ]
        click.echo(json.dumps({"templates": listed}))
        return
    width = max(map(len, found))
    for name, each in found.items():
        click.echo(f"{name:<{width}}  {each['description']}")


def run_show(name: str, as_json: bool) -> None:
    """Print a template's fields as a tree, or the template as it is sent."""
    template = _load(name)
    if as_json:
        click.echo(json.dumps(template, ensure_ascii=False))
        return
    click.echo(f"{template['name']}: {template['description']}")
    click.echo(f"language {template['language']}, options {json.dumps(template['options'])}\n")
    for line in _tree(template["fields"], 0):
        click.echo(line)


def run_create(name: str, title: str | None, language: str | None, as_json: bool) -> None:
    """Create an extraction of a template and print its id."""
    template = _load(name)
    template["name"] = title or template["name"]
    template["language"] = language or template["language"]
    with connect() as client:
        made = client.extractions.create(**template)
    if as_json:
        click.echo(json.dumps({"extraction_id": made.extraction_id, "name": template["name"]}))
    else:
        click.echo(made.extraction_id)


def _load(name: str) -> templates.Template:
    try:
        return templates.load(name)
    except ValueError as error:
        raise CommandError(str(error), USAGE) from None


def _tree(fields: list[dict[str, Any]], depth: int) -> list[str]:
    lines = []
    for field in fields:
        items = field.get("items", {})
        inner = field.get("properties") or items.get("properties") or []
        kind = f"array of {items['type']}s" if items else field["type"]
        lines.append(f"{'  ' * depth}{field['key']} ({kind}): {field['description']}")
        lines += _tree(inner, depth + 1)
    return lines
