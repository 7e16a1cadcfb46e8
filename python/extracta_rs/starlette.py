"""Receives webhooks in Starlette: the decorator `webhook`."""

from __future__ import annotations

from .contrib.starlette import webhook

__all__ = ["webhook"]
