"""What the blocking and the asyncio face share: settings, and arguments in the binding's form."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from . import _core
from .exceptions import ConfigurationError
from .models import BatchRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .webhooks import Body, Header, SignatureReport, WebhookEvent

Seconds = float | timedelta
WaitOptions = tuple[float | None, float, float, float]


SECRET_VARIABLE = "EXTRACTA_WEBHOOK_SECRET"  # noqa: S105  the variable's name


def environment_secrets() -> list[str]:
    """Return the webhook secrets of the environment; empty where there are none.

    `EXTRACTA_WEBHOOK_SECRET` holds one, or several separated by white space while it is changed.
    One alone is taken with the white space around it, as a program takes it that reads the
    variable.
    """
    value = os.environ.get(SECRET_VARIABLE, "")
    words = value.split()
    return words if len(words) != 1 else [value]


def seconds(value: Seconds) -> float:
    """Return a duration in seconds."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def wait_options(
    timeout: Seconds | None, poll_interval: Seconds, max_poll_interval: Seconds, backoff: float
) -> WaitOptions:
    """Return the options of a wait as the binding takes them."""
    return (
        None if timeout is None else seconds(timeout),
        seconds(poll_interval),
        seconds(max_poll_interval),
        backoff,
    )


def given(**details: object) -> dict[str, Any]:
    """Return the details that were given: None means "leave it as it is"."""
    return {key: value for key, value in details.items() if value is not None}


def changes(**details: object) -> dict[str, Any]:
    """Return the details to change, of which there must be some."""
    changed = given(**details)
    if not changed:
        raise ValueError("nothing to change: pass " + ", ".join(details))
    return changed


def field_list(fields: Iterable[Mapping[str, object]] | type[Any]) -> list[dict[str, object]]:
    """Return the fields of a template, which may be given as a type."""
    if isinstance(fields, type):
        from ._schemas import fields_from

        return fields_from(fields)
    return several("fields", fields)


def check_model(model: type[Any] | None) -> None:
    """Refuse a type that results cannot be read as, before anything is uploaded and paid."""
    if model is not None:
        from ._schemas import record_of

        record_of(model)


def several(what: str, items: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
    """Return a template's list, which must not be empty, as plain dicts."""
    listed = [items] if isinstance(items, Mapping) else list(items)
    if not listed:
        raise ValueError(f"{what} is empty: the service needs at least one")
    wrong = next((item for item in listed if not isinstance(item, Mapping)), None)
    if wrong is not None or isinstance(items, Mapping):
        found = "one mapping" if isinstance(items, Mapping) else f"a {type(wrong).__name__} in it"
        raise TypeError(f"{what} must be a list of mappings, not {found}")
    return [dict(item) for item in listed]


def template_name(name: str) -> str:
    """Return a template's name, which must be there."""
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"name must be a text that is not empty, not {name!r}")
    return name


def id_list(file_ids: str | Iterable[str]) -> list[str]:
    """Return one or several ids as a list."""
    return [file_ids] if isinstance(file_ids, str) else list(file_ids)


def name_batches(kind: str, batches: Iterable[BatchRef | str]) -> list[tuple[str, str, str]]:
    """Return batches or tokens as the binding takes them; all must be of one kind."""
    named = [
        _core.read_batch_token(batch) if isinstance(batch, str) else batch._name()
        for batch in batches
    ]
    wrong = next((name for name in named if name[0] != kind), None)
    if wrong is not None:
        owner = "an extraction" if wrong[0] == "extraction" else "a classification"
        raise ValueError(f"batch {wrong[2]} belongs to {owner}: wait on it with client.{wrong[0]}s")
    return named


class BaseClient:
    """The settings of a client, and what needs no request."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: Seconds = 60.0,
        connect_timeout: Seconds = 10.0,
        max_retries: int = 2,
        min_poll_spacing: Seconds = 2.0,
        max_connections: int = 100,
        proxy: str | None = None,
        ca_bundle: str | os.PathLike[str] | None = None,
        user_agent: str | None = None,
        allow_insecure_http: bool = False,
        webhook_secret: str | bytes | Sequence[str | bytes] | None = None,
    ) -> None:
        """Build a client; nothing is sent.

        Args:
            api_key: the vendor's API key; by default `EXTRACTA_API_KEY` of the environment.
            base_url: the service's address; by default `EXTRACTA_BASE_URL` of the environment,
                then the vendor's.
            timeout: seconds that one request may take; an upload may take longer, but not stand
                still for longer.
            connect_timeout: seconds that making a connection may take.
            max_retries: how often a request is repeated that failed and may be repeated.
            min_poll_spacing: the least seconds between two requests for results; the vendor asks
                for 2 (docs.extracta.ai, "Polling vs Webhook"). Whoever waits longest goes first.
                After an answer of 429, or of 503 with `Retry-After`, none is sent until
                `Retry-After` has passed, or a minute. The spacing is doubled, up to eight times
                this; each good answer takes an eighth of this back. 0 turns all of it off, then
                only the wait that got the answer heeds it.
            max_connections: how many requests may be under way, and connections open, at once.
            proxy: a proxy's URL; by default what the environment says.
            ca_bundle: a PEM file of certificates to trust besides the system's.
            user_agent: the `User-Agent` header; by default this package and Python's version.
            allow_insecure_http: allow plain http to other machines than this one.
            webhook_secret: the secret, or secrets, of `unwrap`, `verify_signature` and
                `explain_signature`.

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
            "timeout": seconds(timeout),
            "connect_timeout": seconds(connect_timeout),
            "max_retries": max_retries,
            "min_poll_spacing": seconds(min_poll_spacing),
            "max_connections": max_connections,
            "proxy": proxy,
            "ca_bundle": ca_bundle,
            "user_agent": user_agent
            or f"extracta_rs/{_core.__version__} python/{sys.version.split()[0]}",
            "allow_insecure_http": allow_insecure_http,
        }
        for setting, least in (("max_retries", 0), ("max_connections", 1)):
            if not least <= self._settings[setting] < 2**32:
                raise ConfigurationError(f"{setting}: must be a whole number from {least} on")
        self._webhook_secret = webhook_secret
        self._raw = _core.Client(api_key=api_key, **self._settings)

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
        # A proxy's URL may hold a password; the key and the webhook secret are not among these.
        kept = {key: value for key, value in self._settings.items() if key != "proxy"}
        return (_reopen, (type(self), kept))


def _reopen(kind: type[BaseClient], settings: dict[str, Any]) -> BaseClient:
    """Build a client that was pickled; its secrets come from this process' environment."""
    return kind(**settings)
