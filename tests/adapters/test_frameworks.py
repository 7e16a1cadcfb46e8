"""What is particular to one framework: other paths, hooks, mounts, classes, threads."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

from extracta_rs import SIGNATURE_HEADER, sign

SECRET = "E_AI_K_adäpters"
BODY = b'{"result":[{"fileId":"f"}]}'
