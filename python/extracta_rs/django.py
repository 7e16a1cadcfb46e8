"""Receives webhooks in Django: the decorator `webhook` for sync and async views."""

from __future__ import annotations

from .contrib.django import webhook

__all__ = ["webhook"]
