"""Extracta.ai for Apache Airflow: a connection, an operator, a sensor and a trigger."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow wants to know of this provider."""
    name = "Extracta"
    return {
        "package-name": "airflow-provider-extracta",
        "name": name,
        "description": "Document extraction with Extracta.ai: pays once, waits without a worker.",
        "versions": [__version__],
        "integrations": [
            {
                "integration-name": name,
                "external-doc-url": "https://docs.extracta.ai",
                "tags": ["service"],
            }
        ],
        "hooks": _modules(name, "hooks"),
        "operators": _modules(name, "operators"),
        "sensors": _modules(name, "sensors"),
        "triggers": _modules(name, "triggers"),
        "connection-types": [
            {
                "connection-type": "extracta",
                "hook-class-name": f"{__name__}.hooks.ExtractaHook",
                "hook-name": name,
                "conn-fields": _conn_fields(),
                "ui-field-behaviour": {
                    "hidden-fields": ["schema", "login", "port"],
                    "relabeling": {"host": "Base URL", "password": "API key"},
                    "placeholders": {"host": "https://api.extracta.ai/api/v1"},
                },
            }
        ],
    }


def _modules(name: str, module: str) -> list[dict[str, Any]]:
    return [{"integration-name": name, "python-modules": [f"{__name__}.{module}"]}]


def _conn_fields() -> dict[str, Any]:
    """Return the fields of the connection form; kept in the connection's extra."""
    return {
        "timeout": _field("number", 60, "Timeout", "Seconds that one request may take."),
        "connect_timeout": _field(
            "number", 10, "Connect timeout", "Seconds that making a connection may take."
        ),
        "min_poll_spacing": _field(
            "number",
            2,
            "Poll spacing",
            "The least seconds between two requests for results of one process. "
            "The vendor asks for 2.",
        ),
        "limiter": {
            "label": "Limiter",
            "description": "What keeps the spacing for all workers and triggerers: the URL of a "
            "Redis, or a journal.",
            "schema": {"type": ["string", "null"]},
        },
        "max_retries": _field(
            "integer", 2, "Retries", "How often a request is repeated that may be repeated."
        ),
    }


def _field(kind: str, default: int, label: str, description: str) -> dict[str, Any]:
    schema = {"type": [kind, "null"], "default": default, "minimum": 0}
    return {"label": label, "description": description, "schema": schema}
