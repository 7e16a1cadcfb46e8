"""What `extracta-rs listen` does with a delivery; `_listen_server` has the HTTP, `_listen_view`
what is printed, `_listen` puts them together."""

from __future__ import annotations

import queue
import time
from typing import TYPE_CHECKING, Any, Protocol

from .. import verify_signature
from ..exceptions import ConfigurationError
from ._deliveries import Deliveries
from ._delivery import Attempt, Delivery, read, summary
from ._endpoint import end_to_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._endpoint import Endpoint

MOST_LINES_WAITING = 100


class View(Protocol):
    """Shows what comes."""

    def started(self, url: str, forward_to: str | None) -> None: ...

    def show(self, delivery: dict[str, Any], replay: bool) -> None: ...


class Listener:
    """Verifies deliveries, passes them on to the app, and keeps the latest.

    Args:
        secrets: the webhook secrets, of which any may match.
        app: where deliveries are passed on to, if anywhere.
        forward_invalid: whether the app gets those too whose signature does not hold.
        keep: how many deliveries are kept.

    Raises:
        ConfigurationError: a secret cannot be used.
    """

    def __init__(
        self, secrets: Sequence[str], app: Endpoint | None, *, forward_invalid: bool, keep: int
    ) -> None:
        try:
            verify_signature(b"", None, list(secrets))
        except ValueError as error:
            raise ConfigurationError(f"the webhook secret cannot be used: {error}") from None
        self._secrets = list(secrets)
        self.app = app
        self._forward_invalid = forward_invalid
        self.deliveries = Deliveries(keep)
        self.lines: queue.Queue[tuple[dict[str, Any], bool]] = queue.Queue(MOST_LINES_WAITING)

    def receive(
        self, path: str, headers: list[tuple[str, str]], body: bytes, signature: str | None
    ) -> Delivery:
        """Take a delivery; its `answered` is what to answer with, `tell` is to be called then."""
        delivery = self.deliveries.add(
            time=time.time(),
            path=path,
            headers=tuple(headers),
            body=body,
            **read(body, signature, self._secrets),
        )
        if self.app and (delivery.report.valid or self._forward_invalid):
            delivery, status = self._send(self.app, delivery, replay=False)
        elif not delivery.report.valid:
            status = 401
        else:
            status = 400 if delivery.problem else 204
        return self.deliveries.update(delivery, answered=status)

    def replay(self, number: int) -> Delivery | None:
        """Send a delivery to the app again; None where it is not kept, or there is no app."""
        delivery = self.deliveries.get(number)
        if delivery is None or self.app is None:
            return None
        return self._send(self.app, delivery, replay=True)[0]

    def tell(self, delivery: Delivery, *, replay: bool = False) -> None:
        """Have a line printed; waits where printing does not keep up."""
        self.lines.put((summary(delivery), replay))

    def _send(self, app: Endpoint, delivery: Delivery, *, replay: bool) -> tuple[Delivery, int]:
        began = time.time()
        answer = app.post(delivery.body, end_to_end(delivery.headers))
        attempt = Attempt(began, replay, answer)
        return self.deliveries.update(delivery, attempt=attempt), answer.passed_on
