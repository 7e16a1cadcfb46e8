"""A webhook receiver on loopback: what a back end does, in the standard library alone."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import SignatureVerificationError, WebhookPayloadError, unwrap
from .._loopback import Handler, LoopbackServer

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .. import WebhookEvent


@dataclass(frozen=True, slots=True)
class Accepted:
    """A delivery whose signature holds, with the signature it came with."""

    event: WebhookEvent
    signature: str


class _Server(LoopbackServer):
    receiver: Receiver


class _Handler(Handler):
    server: _Server

    def post(self) -> None:
        body = self.read_body()
        self.answer(self.server.receiver.receive(body, self.signature()))


class Receiver:
    """Verifies each delivery, answers at once, and hands the good ones over.

    Args:
        secret: the webhook secret that the deliveries are signed with.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._accepted: queue.Queue[Accepted] = queue.Queue()
        self._server = _Server(_Handler)
        self._server.receiver = self
        self._lock = threading.Lock()
        self.verified = 0
        self.refused = 0

    @property
    def port(self) -> int:
        """The TCP port."""
        return self._server.port

    @property
    def url(self) -> str:
        """Where deliveries are to be sent."""
        return f"http://127.0.0.1:{self.port}/webhook"

    def receive(self, body: bytes, signature: str | None) -> int:
        """Check one delivery and return the HTTP status to answer with."""
        try:
            event = unwrap(body, signature, self._secret)
        except (SignatureVerificationError, WebhookPayloadError) as error:
            with self._lock:
                self.refused += 1
            return 401 if isinstance(error, SignatureVerificationError) else 400
        with self._lock:
            self.verified += 1
        self._accepted.put(Accepted(event, signature or ""))
        return 204

    def wait(self, batch_id: str, timeout: float) -> Accepted | None:
        """Return the delivery that names the batch, or None where none came in time."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            try:
                accepted = self._accepted.get(timeout=left)
            except queue.Empty:
                break
            if any(file.batch_id == batch_id for file in accepted.event.files):
                return accepted
        return None

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.__exit__(kind, error, trace)
