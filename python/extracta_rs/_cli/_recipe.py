"""With which extraction documents are processed: one that is there, or one made of a template."""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import fields_from, templates
from ..exceptions import NotFoundError, PermissionDeniedError
from ._outcome import FAILED, CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .. import Client, Journal


LANGUAGE = "English"


@dataclass(frozen=True, slots=True)
class Recipe:
    """An extraction to be made, unless the journal knows it.

    Attributes:
        key: what tells it apart in the journal.
        details: the arguments of `client.extractions.create`.
    """

    key: Mapping[str, object]
    details: Mapping[str, Any]


def recipe(
    extraction: str | None,
    template: str | None,
    fields: str | None,
    model: str | None,
    language: str | None,
) -> str | Recipe:
    """Return the id of an extraction, or how to make it.

    Raises:
        UsageError: not exactly one of the four is given, or one cannot be read.
    """
    ways = {
        "--extraction": extraction, "--template": template, "--fields": fields, "--model": model,
    }  # fmt: skip
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1:
        said = f"not {' and '.join(given)}" if given else "for the fields to extract"
        raise click.UsageError(f"name one of {', '.join(ways)}, {said}")
    if extraction is not None:
        if language is not None:
            raise click.UsageError("--language is that of a new extraction; this one has its own")
        return extraction
    if template is not None:
        try:
            details: dict[str, Any] = {**templates.load(template)}
        except ValueError as error:
            raise click.UsageError(f"--template: {error}") from None
        details |= {"language": language} if language else {}
        # By its name, since a newer release may word it in another way.
        return Recipe({"template": template, "language": details["language"]}, details)
    details = {"language": LANGUAGE, **(of_file(fields) if fields else of_model(str(model)))}
    details |= {"language": language} if language else {}
    # A file or a type with another name asks for the same.
    return Recipe({key: value for key, value in details.items() if key != "name"}, details)


def of_file(path: str) -> dict[str, Any]:
    """Return the template in a JSON file: a list of fields, or an object with `fields`."""
    try:
        read = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"--fields {path}: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--fields {path}: it is no JSON: {error}") from None
    details = {"fields": read} if isinstance(read, list) else read
    fields = details.get("fields") if isinstance(details, dict) else None
    if not (fields and isinstance(fields, list) and all(map(is_field, fields))):
        raise click.UsageError(
            f"--fields {path}: it must be a list of objects with a `key`, or an object with such "
            "a list as `fields`: see extracta-rs templates show invoice --json"
        )
    taken = ("name", "description", "language", "options", "fields")
    named = {"name": Path(path).stem, **details}
    return {key: named[key] for key in taken if key in named}


def is_field(value: object) -> bool:
    """Whether a value is what the vendor calls a field."""
    return isinstance(value, dict) and isinstance(value.get("key"), str)


def of_model(where: str) -> dict[str, Any]:
    """Return the template of a type, named as `module:Class`."""
    module, colon, name = where.partition(":")
    if not (module and colon and name):
        raise click.UsageError(f"--model {where}: name it as module:Class")
    sys.path.insert(0, "")  # As `python -m` finds what is in the working directory.
    try:
        model: Any = importlib.import_module(module)
        for part in name.split("."):
            model = getattr(model, part)
        return {"name": model.__name__, "fields": fields_from(model)}
    except (ImportError, AttributeError, SyntaxError, TypeError) as error:
        raise click.UsageError(f"--model {where}: {error}") from error


def extraction_of(made_of: Recipe, client: Client, journal: Journal) -> str:
    """Return the extraction that the journal has for a recipe, or create it.

    Documents are told apart by their extraction: with a new one each time they would be paid anew.
    """
    known = journal.extraction_of(made_of.key)
    if known is None:
        made = client.extractions.create(**made_of.details).extraction_id
        known = journal.keep_extraction(made_of.key, made)
        if known != made:
            client.extractions.delete(made)  # Another process was first.
    return known


@contextmanager
def explained(made_of: str | Recipe, extraction_id: str, journal: Journal) -> Iterator[None]:
    """Say what to do where the extraction that the journal has is gone."""
    try:
        yield
    except (NotFoundError, PermissionDeniedError) as error:
        if isinstance(made_of, str):
            raise
        raise CommandError(
            f"{error}: extraction {extraction_id}, which {journal.path} has for this template, "
            "is gone, or of another account; begin with another --journal (which pays all anew)",
            FAILED,
        ) from error
