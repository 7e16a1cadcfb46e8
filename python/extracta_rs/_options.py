"""How the requests of a call are sent: limits of time, repetitions, headers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ._shared import Seconds, seconds
from .exceptions import ConfigurationError

# Limits of time (total, connect, read, write, pool), repetitions, headers.
CallOptions = tuple[
    tuple[float, float, float | None, float | None, float | None], int, list[tuple[str, str]]
]

TOTAL = 60.0


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long each phase of a request may take, in seconds; None: as the client has it.

    What passes is an `APITimeoutError` that says which phase it was. `read`, `write` and `pool`
    have no limit of their own by default: then `total` is all there is.

    Attributes:
        total: the whole request, from its sending to the end of the answer (60 by default). An
            upload may take longer: of it this is the time for the answer, once all is sent, and
            what `write` is by default.
        connect: making a connection: name, TCP, proxy, TLS (10 by default).
        read: without a byte of the answer, once the request is sent.
        write: without the service taking a byte of an upload.
        pool: until another request ends, where `max_connections` are under way.
    """

    total: Seconds | None = None
    connect: Seconds | None = None
    read: Seconds | None = None
    write: Seconds | None = None
    pool: Seconds | None = None

    def __post_init__(self) -> None:
        for phase in fields(self):
            value = getattr(self, phase.name)
            if value is None:
                continue
            length = seconds(value)
            if isinstance(length, bool) or not isinstance(length, int | float):
                kind = type(value).__name__
                raise TypeError(f"timeout.{phase.name} must be seconds, not a {kind}")
            if not 0 < length < math.inf:
                raise ConfigurationError(
                    f"timeout.{phase.name}: must be more than 0 seconds, not {length}"
                )
            object.__setattr__(self, phase.name, float(length))

    def over(self, other: Timeout) -> Timeout:
        """Return these limits, and for what is None those of another.

        Args:
            other: what has the limits that this one has not.
        """
        names = [phase.name for phase in fields(self)]
        return Timeout(
            **{
                name: getattr(other, name) if getattr(self, name) is None else getattr(self, name)
                for name in names
            }
        )


def header_map(headers: Mapping[str, str] | None) -> dict[str, str]:
    """Return headers by their names in lower case; what is wrong is told without their values."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping of texts, not a {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            kinds = f"{type(name).__name__} to {type(value).__name__}"
            raise TypeError(f"headers must be texts by their names, not {kinds}")
    return {name.lower(): value for name, value in headers.items()}


def call_options(settings: Mapping[str, Any]) -> CallOptions:
    """Return the options of calls among a client's settings as the binding takes them."""
    timeout, connect = settings["timeout"], settings["connect_timeout"]
    read = write = pool = None
    if isinstance(timeout, Timeout):
        connect = connect if timeout.connect is None else timeout.connect
        read, write, pool = timeout.read, timeout.write, timeout.pool
        timeout = TOTAL if timeout.total is None else timeout.total
    limits = (timeout, connect, read, write, pool)
    return (limits, settings["max_retries"], list(settings["headers"].items()))  # type: ignore[return-value]  # its times are floats by now
