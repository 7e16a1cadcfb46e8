"""What a client tells of its requests: counters, and what hooks are called with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

FailureKind = Literal[
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseFormatError",
    "ServerError",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStats:
    """What a client has counted since it was built; all numbers but two only grow.

    A forked process counts anew. Copies made by `with_options` count together with their client.

    Attributes:
        requests: requests that were sent, repetitions too.
        retries: repetitions of requests that failed. A poll is not repeated: the next one is due.
        polls: requests for results that waits made, of `wait`, `wait_many`, `run`, `run_many`.
        sweeps: looks at an extraction or classification that took the place of many polls.
        uploads: uploads that the service took, each one batch or part of one.
        files_uploaded: the files in them.
        bytes_uploaded: bytes of uploads that were handed to a connection, those of failed ones too.
        bytes_received: bytes of answers, without headers, once decompressed.
        connections: connections that were opened.
        rate_limited: answers that asked for fewer requests: 429, and 503 with `Retry-After`.
        cancelled: requests that were given up before they had ended: a cancelled task, Ctrl-C, the
            deadline of a wait, a closed client.
        seconds: how long all requests that have ended took, together.
        in_flight: requests under way now.
        queued: requests that wait now because `max_connections` are under way.
        failures: how many requests failed, by the name of the error; each failed attempt counts,
            whether a repetition went well or not. All names are there, with 0.
    """

    requests: int
    retries: int
    polls: int
    sweeps: int
    uploads: int
    files_uploaded: int
    bytes_uploaded: int
    bytes_received: int
    connections: int
    rate_limited: int
    cancelled: int
    seconds: float
    in_flight: int
    queued: int
    failures: Mapping[FailureKind, int]
