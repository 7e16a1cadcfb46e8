"""OpenTelemetry: a span for each request of a client, and `traceparent` sent along with it.

```python
from extracta_rs import Client
from extracta_rs.otel import instrument

client = instrument(Client())
```

Needs `pip install "extracta_rs[otel]"`, and an SDK that is set up, as every instrumentation does.
Names are those of the stable semantic conventions for HTTP clients
(opentelemetry.io/docs/specs/semconv/http/http-spans). Nothing of this is loaded, and nothing is
spent on it, in a program that does not import this module.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._base import BaseClient
from ._core import __version__

try:
    from opentelemetry import context, propagate, trace
except ImportError as error:
    raise ImportError(
        f'this needs opentelemetry: pip install "extracta_rs[otel]" ({error})', name=error.name
    ) from error

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, TracerProvider


__all__ = ["instrument", "uninstrument"]

C = TypeVar("C", bound=BaseClient)
_SCHEMA = "https://opentelemetry.io/schemas/1.23.0"
# Exporters and other instrumentations set these where nothing shall be traced. The second form is
# what `opentelemetry.instrumentation.utils` sets as well.
_SUPPRESSED = (
    context._SUPPRESS_INSTRUMENTATION_KEY,
    context._SUPPRESS_HTTP_INSTRUMENTATION_KEY,
    "suppress_instrumentation",
)
_log = logging.getLogger("extracta_rs")


@overload
def instrument(client: C, *, tracer_provider: TracerProvider | None = None) -> C: ...
@overload
def instrument(client: None = None, *, tracer_provider: TracerProvider | None = None) -> None: ...
def instrument(
    client: C | None = None, *, tracer_provider: TracerProvider | None = None
) -> C | None:
    """Trace the requests of a client, or of all clients that are built from now on.

    Each request is a span of its own, repetitions and polls too; its parent is the span that is
    current where the client's method is called. It begins when the request is sent: time that is
    spent waiting for a turn is not in it.

    Args:
        client: the client, whose copies of `with_options` are traced as well; None for all that
            are built later, the one of the module's functions among them.
        tracer_provider: where spans go; by default the global one.

    Returns:
        The client.

    Raises:
        TypeError: that is no client.
    """
    if client is not None and not isinstance(client, BaseClient):
        raise TypeError(f"a Client or AsyncClient is instrumented, not a {type(client).__name__}")
    tracer = _Tracer(trace.get_tracer("extracta_rs", __version__, tracer_provider, _SCHEMA))
    if client is None:
        BaseClient._tracer = tracer
    else:
        client._raw.set_tracer(tracer)
    return client


def uninstrument(client: BaseClient | None = None) -> None:
    """Trace a client's requests no longer; spans that have begun end as they would have.

    Args:
        client: the client; None to trace none of those that are built from now on.
    """
    if client is None:
        BaseClient._tracer = None
    else:
        client._raw.set_tracer(None)


class _Tracer:
    """What the binding calls: `context` where a method is called, the rest on its own thread."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def context(self) -> Context | None:
        """Return the caller's context; None where nothing shall be traced."""
        current = context.get_current()
        return None if any(current.get(key) for key in _SUPPRESSED) else current

    def start(
        self,
        call: tuple[Context, int, str, str, str],
        server: tuple[str, str, int, int],
        /,
    ) -> tuple[Span, list[tuple[str, str]]] | None:
        """Begin a span; return it and the headers that tell of it."""
        parent, time, operation, method, path = call
        base_url, host, port, attempt = server
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "server.address": host,
            "server.port": port,
            "url.full": base_url + path,
            "url.template": path,
            "extracta.operation": operation,
        }
        if attempt > 1:
            attributes["http.request.resend_count"] = attempt - 1
        try:
            span = self._tracer.start_span(
                f"{method} {path}",
                parent,
                kind=trace.SpanKind.CLIENT,
                attributes=attributes,
                start_time=time,
            )
            headers: dict[str, str] = {}
            propagate.inject(headers, trace.set_span_in_context(span, parent))
        except Exception:  # noqa: BLE001  the request is worth more than its trace
            _log.exception("no span began for %s %s; it is sent without one", method, path)
            return None
        return span, list(headers.items())

    def end(self, span: Span, time: int, status: int | None, error: str | None, /) -> None:
        """End a span with what became of its request."""
        try:
            if status is not None:
                span.set_attribute("http.response.status_code", status)
            if error is not None:
                kind = str(status) if status is not None and status >= 400 else error
                span.set_attribute("error.type", kind)
                span.set_status(trace.StatusCode.ERROR)
            span.end(time)
        except Exception:  # noqa: BLE001  as above
            _log.exception("a span could not be ended")
