"""Receives webhooks in Flask: the decorator `webhook`, and `webhook_blueprint`."""

from __future__ import annotations

from .contrib.flask import webhook, webhook_blueprint

__all__ = ["webhook", "webhook_blueprint"]
