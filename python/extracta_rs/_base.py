"""The settings that both clients have, and what needs no request."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from . import _core
from ._options import Timeout, call_options, header_map
from ._shared import Seconds, seconds
from .exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from ._limiter import Limiter
    from ._observe import ClientStats, RequestEvent, ResponseEvent
    from .journal import Journal
    from .webhooks import Body, Header, SignatureReport, WebhookEvent


class BaseClient:
    """The settings of a client, and what needs no request."""

    _asyncio: ClassVar[bool] = False
    # What `otel.instrument()` sets for all clients to come.
    _tracer: ClassVar[_core.Tracer | None] = None

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: Seconds | Timeout = 60.0,
        connect_timeout: Seconds = 10.0,
        max_retries: int = 2,
        min_poll_spacing: Seconds = 2.0,
        limiter: Limiter | Journal | None = None,
        max_connections: int = 100,
        proxy: str | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        user_agent: str | None = None,
        allow_insecure_http: bool = False,
        webhook_secret: str | bytes | Sequence[str | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        on_request: Callable[[RequestEvent], object] | None = None,
        on_response: Callable[[ResponseEvent], object] | None = None,
    ) -> None:
        """Build a client; nothing is sent.

        Args:
            api_key: the vendor's API key; by default `EXTRACTA_API_KEY` of the environment.
            base_url: the service's address; by default `EXTRACTA_BASE_URL` of the environment,
                then the vendor's.
            timeout: seconds that one request may take; an upload may take longer, but not stand
                still for longer. A `Timeout` has a limit for each phase.
            connect_timeout: seconds that making a connection may take.
            max_retries: how often a request is repeated that failed and may be repeated.
            min_poll_spacing: the least seconds between two requests for results; the vendor asks
                for 2 (docs.extracta.ai, "Polling vs Webhook"). Whoever waits longest goes first.
                After an answer of 429, or of 503 with `Retry-After`, none is sent until
                `Retry-After` has passed, or a minute. The spacing is doubled, up to eight times
                this; each good answer takes an eighth of this back. 0 turns all of it off, then
                only the wait that got the answer heeds it.
            limiter: what keeps requests for results apart over several processes with one key: a
                `Journal` that they share, a `RedisLimiter`, or any other `Limiter`. Without one,
                `run_many` and `submit` with a journal take that journal for as long as they work.
            max_connections: how many requests may be under way, and connections open, at once.
            proxy: a proxy's URL; by default what the environment says.
            ca_bundle: a PEM file of certificates to trust besides the system's.
            user_agent: what to append to the `User-Agent` header, which names the versions of
                this package and of Python, and the platform: "my-app/1.2".
            allow_insecure_http: allow plain http to other machines than this one.
            webhook_secret: the secret, or secrets, of `unwrap`, `verify_signature` and
                `explain_signature`.
            headers: headers to send with each request, which a gateway of yours may want. Those
                that the client writes itself (`Authorization`, `Content-Type`, ...) are refused.
                Their values are in no log, error or pickle.
            on_request: is called with a `RequestEvent` for each request that is sent, repetitions
                and polls too: on the thread that blocks in the call, or on the event loop. What it
                raises is logged.
            on_response: is called with a `ResponseEvent` when a request has ended, well or not;
                always before the call returns that the request was for.

        Raises:
            ConfigurationError: a setting is unusable; the message names it.
        """
        api_key = api_key if api_key is not None else os.environ.get("EXTRACTA_API_KEY")
        if api_key is None:
            raise ConfigurationError(
                "api_key: there is none; pass api_key=... or set EXTRACTA_API_KEY"
            )
        self._settings: dict[str, Any] = {
            "base_url": base_url or os.environ.get("EXTRACTA_BASE_URL") or _core.VENDOR_BASE_URL,
            "timeout": timeout if isinstance(timeout, Timeout) else seconds(timeout),
            "connect_timeout": seconds(connect_timeout),
            "max_retries": max_retries,
            "min_poll_spacing": seconds(min_poll_spacing),
            "limiter": limiter,
            "max_connections": max_connections,
            "proxy": proxy,
            "ca_bundle": ca_bundle,
            "user_agent": user_agent,
            "allow_insecure_http": allow_insecure_http,
            "headers": header_map(headers),
        }
        self._check_counts()
        if on_request is not None or on_response is not None:
            from ._observe import check_hooks

            check_hooks(on_request=on_request, on_response=on_response)
        if limiter is not None:
            limiter = _raw_limiter(limiter)
        self._webhook_secret = webhook_secret
        of_calls = ("timeout", "connect_timeout", "max_retries", "headers")
        of_all = {key: value for key, value in self._settings.items() if key not in of_calls}
        options = call_options(self._settings)
        self._raw = _core.Client(
            api_key=api_key,
            options=options,
            asyncio=self._asyncio,
            on_request=on_request,
            on_response=on_response,
            **{**of_all, "limiter": limiter},
        )
        if self._tracer is not None:
            self._raw.set_tracer(self._tracer)

    def _check_counts(self) -> None:
        for setting, least in (("max_retries", 0), ("max_connections", 1)):
            if not least <= self._settings[setting] < 2**32:
                raise ConfigurationError(f"{setting}: must be a whole number from {least} on")

    def with_options(
        self,
        *,
        timeout: Seconds | Timeout | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Return this client with other options, for one call or some.

        The copy shares connections, the limiter of requests for results and the counters; closing
        one closes both.

        Args:
            timeout: seconds that one request may take, or a `Timeout`, whose `None` leaves a limit
                as it is.
            max_retries: how often a request is repeated that failed and may be repeated.
            headers: more headers to send with each request, or other values of some.

        Raises:
            ConfigurationError: an option is unusable; the message names it.

        Example:
            >>> with Client() as client:
            ...     credits = client.with_options(timeout=5, max_retries=0).credits()
        """
        settings = dict(self._settings)
        if timeout is not None:
            new = timeout if isinstance(timeout, Timeout) else seconds(timeout)
            old = settings["timeout"]
            if isinstance(new, Timeout) or isinstance(old, Timeout):
                old = old if isinstance(old, Timeout) else Timeout(total=old)
                new = (new if isinstance(new, Timeout) else Timeout(total=new)).over(old)
            settings["timeout"] = new
        if max_retries is not None:
            settings["max_retries"] = max_retries
        settings["headers"] = {**settings["headers"], **header_map(headers)}
        copy = object.__new__(type(self))
        vars(copy).update(vars(self))
        copy._settings = settings
        copy._check_counts()
        copy._raw = self._raw.with_options(call_options(settings))
        return copy

    def stats(self) -> ClientStats:
        """Return what was counted since the client was built; also once it is closed.

        It costs some microseconds and asks nobody.
        """
        from ._observe import ClientStats

        return ClientStats(**self._raw.stats())

    @property
    def base_url(self) -> str:
        """The service's address."""
        base_url: str = self._settings["base_url"]
        return base_url

    @property
    def closed(self) -> bool:
        """Whether the client was closed."""
        return self._raw.closed

    def close(self) -> None:
        """Close the client: its connections, and what is under way on other threads or tasks."""
        self._raw.close()

    def verify_signature(self, body: Body, header: Header) -> bool:
        """Tell whether a webhook was signed with `webhook_secret`; see `verify_signature`."""
        from .webhooks import verify_signature

        return verify_signature(body, header, self._secrets())

    def explain_signature(self, body: Body, header: Header) -> SignatureReport:
        """Tell what is wrong with a webhook's signature; see `explain_signature`."""
        from .webhooks import explain_signature

        return explain_signature(body, header, self._secrets())

    def unwrap(self, body: Body, header: Header) -> WebhookEvent:
        """Verify a webhook with `webhook_secret` and parse it; see `unwrap`."""
        from .webhooks import unwrap

        return unwrap(body, header, self._secrets())

    def deliver(self, event: WebhookEvent) -> int:
        """End the waits of this client for the batches that a webhook brings the results of.

        It does not block, and on asyncio it is not awaited. Polling goes on for everything else,
        and each wait ends once, with whichever came first. The results are the signed files of
        the delivery. Where the batch may have more files than these (it was not uploaded by this
        client, or a delivery brings only some), the service is asked at once instead. A delivery
        that is sent again, by the service or by anybody, ends nothing twice; an old one of a batch
        that is still waited for ends that wait with the files as they were then.

        Args:
            event: what `unwrap` returned.

        Returns:
            How many waits it ended: of `wait`, `wait_many`, `run` and `run_many` in this process.

        Raises:
            ClientClosedError: the client is closed.
        """
        return self._raw.deliver(event._unwrapped)

    def _secrets(self) -> str | bytes | Sequence[str | bytes]:
        if self._webhook_secret is None:
            raise ConfigurationError("webhook_secret: there is none; pass it to the client")
        return self._webhook_secret

    def __repr__(self) -> str:
        state = ", closed" if self.closed else ""
        return f"{type(self).__name__}(base_url={self.base_url!r}{state})"

    def __reduce__(self) -> tuple[object, ...]:
        # A proxy's URL and headers may hold secrets; the key and the webhook secret are not here.
        secret = ("proxy", "headers")
        kept = {key: value for key, value in self._settings.items() if key not in secret}
        if kept["limiter"] is not None:
            from ._limiter import check_pickles

            check_pickles(kept["limiter"])
        return (_reopen, (type(self), kept))


def _raw_limiter(limiter: Limiter | Journal) -> Limiter:
    from ._limiter import check_limiter
    from .journal import Journal

    raw = limiter._raw if isinstance(limiter, Journal) else limiter
    check_limiter(raw)
    return raw


def _reopen(kind: type[BaseClient], settings: dict[str, Any]) -> BaseClient:
    """Build a client that was pickled; its secrets come from this process' environment."""
    return kind(**settings)
