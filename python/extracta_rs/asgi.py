"""Receives webhooks in any ASGI application: `WebhookMiddleware`."""

from __future__ import annotations

from .contrib.asgi import WebhookMiddleware

__all__ = ["WebhookMiddleware"]
