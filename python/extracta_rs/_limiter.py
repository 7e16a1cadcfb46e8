"""What keeps requests for results apart where several processes use one key."""

from __future__ import annotations

import inspect
import pickle
from typing import Any, Literal, Protocol, TypeAlias

Load: TypeAlias = Literal["borne", "refused", "unknown"]


class Limiter(Protocol):
    """Keeps the line in which all processes with one key stand; pass it to a client as `limiter`.

    `Journal` and `extracta_rs.redis.RedisLimiter` are limiters. One of your own keeps, for each
    line, at least the moment when a request was last sent or answered, and changes it atomically:
    over all processes only one may be given leave within `spacing` seconds. Keep moments of one
    clock, and no locks, so that a process that dies holds nobody up.

    The methods are called with arguments by place, on a thread that may block; not twice at once by
    one client. What they raise, and an answer that takes longer than 5 seconds, is logged, and for
    15 seconds the client goes on at its own pace.
    """

    def take(self, line: str, spacing: float, waited: float, /) -> tuple[float, float]:
        """Ask for leave to send one request now.

        Args:
            line: the name of the line: a digest of the key and the address, 64 characters.
            spacing: the client's `min_poll_spacing`, in seconds.
            waited: for how many seconds the caller has asked for leave in vain. Where several do,
                let the one go first that has waited longest; but it may never come again.

        Returns:
            After how many seconds to ask again, 0 where the leave is given; and the spacing in
            seconds that holds now, after what `answered` was told.
        """

    def answered(self, line: str, spacing: float, age: float, load: Load, hold: float, /) -> object:
        """Take in what became of a request; the spacing counts from now.

        Args:
            line: the name of the line.
            spacing: the client's `min_poll_spacing`, in seconds.
            age: how many seconds ago the request was sent. One that was sent before a refusal tells
                nothing of the spacing that followed from it.
            load: what the answer tells: "borne" of a good one, "refused" where the service asked to
                be spared (429, or 503 with `Retry-After`), "unknown" where the request failed
                otherwise or has no answer yet.
            hold: for how many seconds the service wants no requests.
        """


def check_limiter(limiter: Any) -> None:
    """Refuse what is no limiter, or would have to be awaited."""
    for name in ("take", "answered"):
        method = getattr(limiter, name, None)
        if not callable(method):
            kind = type(limiter).__name__
            raise TypeError(f"limiter must be a Limiter, a {kind} has no method {name!r}")
        if inspect.iscoroutinefunction(method):
            raise TypeError(f"limiter.{name} must be a plain method: it is called, not awaited")


def check_pickles(limiter: object) -> None:
    """Refuse a limiter that cannot be pickled along with its client."""
    try:
        pickle.dumps(limiter)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise TypeError(
            f"limiter: it cannot be pickled, and so neither can the client ({error}); "
            "build the client in the process that uses it"
        ) from error
