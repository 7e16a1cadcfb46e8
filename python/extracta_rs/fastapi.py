"""Receives webhooks in FastAPI: the dependency `Webhook`."""

from __future__ import annotations

from .contrib.fastapi import Webhook

__all__ = ["Webhook"]
