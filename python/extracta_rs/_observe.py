"""What a client tells of its requests: counters, and what hooks are called with."""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_log = logging.getLogger("extracta_rs")

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEvent:
    """A request that is being sent: what `on_request` is called with.

    Attributes:
        operation: the method of the client that it is for: "credits", "extractions.upload",
            "extractions.wait" for what a wait asks, ...
        method: the HTTP method.
        path: the path below the base URL.
        url: the whole address; the key is not in it.
        attempt: 1 for the first time, 2 for the first repetition.
        time: when, in seconds since the epoch.
    """

    operation: str
    method: str
    path: str
    url: str
    attempt: int
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseEvent:
    """A request that has ended, well or not: what `on_response` is called with.

    Attributes:
        request: what `on_request` was called with.
        status_code: the status of the answer; None where none came.
        headers: the answer's headers, names in lower case, values cut after 256 characters. Those
            that may hold secrets (`Set-Cookie`, `Location`, ...) and the API key are "***".
        duration: seconds from its sending to the end of the answer.
        size: bytes of the answer without headers, once decompressed, as far as it was read.
        error_type: the name of the error: "RateLimitError", "APITimeoutError", ...; or
            "CancelledError" where the request was given up. None where all went well.
        error: its text. It may be repeated all the same, then another request follows.
    """

    request: RequestEvent
    status_code: int | None
    headers: Mapping[str, str]
    duration: float
    size: int
    error_type: str | None
    error: str | None

    @property
    def request_id(self) -> str | None:
        """The id that the service, or something before it, gave to the request.

        Which header the vendor sends, if any, is not documented: the usual ones are looked for.
        """
        names = ("x-request-id", "request-id", "x-correlation-id", "x-amzn-requestid", "cf-ray")
        return next((self.headers[name] for name in names if name in self.headers), None)


Ended = tuple[int | None, list[tuple[str, str]], float, int, str | None, str | None]


def check_hooks(**hooks: Any) -> None:
    """Refuse what cannot be called, or would have to be awaited."""
    for name, hook in hooks.items():
        if hook is None:
            continue
        if not callable(hook):
            raise TypeError(f"{name} must be callable, not a {type(hook).__name__}")
        if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(type(hook).__call__):
            raise TypeError(f"{name} must be a plain function: it is called, not awaited")


def dispatch(
    on_request: Callable[[RequestEvent], object] | None,
    on_response: Callable[[ResponseEvent], object] | None,
    events: list[tuple[tuple[str, str, str, str, int, float], Ended | None]],
    lost: int,
) -> None:
    """Call hooks with what has happened, in its order; the binding calls this."""
    for asked, ended in events:
        operation, method, path, url, attempt, time = asked
        request = RequestEvent(
            operation=operation, method=method, path=path, url=url, attempt=attempt, time=time
        )
        if ended is None:
            if on_request is not None:
                _call("on_request", on_request, request)
        elif on_response is not None:
            _call("on_response", on_response, _response(request, ended))
    if lost:
        _log.warning("%d events were not told to hooks, which did not keep up", lost)


def _response(request: RequestEvent, ended: Ended) -> ResponseEvent:
    status, pairs, duration, size, error_type, error = ended
    headers: dict[str, str] = {}
    for name, value in pairs:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return ResponseEvent(
        request=request,
        status_code=status,
        headers=headers,
        duration=duration,
        size=size,
        error_type=error_type,
        error=error,
    )


def _call(name: str, hook: Callable[[Any], object], event: RequestEvent | ResponseEvent) -> None:
    try:
        hook(event)
    except Exception:  # noqa: BLE001  whatever it is, the call's result is worth more
        request = event if isinstance(event, RequestEvent) else event.request
        _log.exception("%s raised at %s %s; the call goes on", name, request.method, request.path)
