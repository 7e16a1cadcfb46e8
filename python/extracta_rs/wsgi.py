"""Receives webhooks in any WSGI application: `WebhookMiddleware`."""

from __future__ import annotations

from .contrib.wsgi import WebhookMiddleware

__all__ = ["WebhookMiddleware"]
