"""The HTTP of `extracta-rs listen`: deliveries by POST on any path, and the page that shows them.

Deliveries may come from anywhere, through a tunnel. The page and its API are for a browser on this
machine alone: not for whoever found the tunnel, nor for web sites that the browser has open.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import select
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._loopback import Handler, LoopbackServer, RefusedError
from ._delivery import detail, summary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._listener import Listener

API = "/_listen/"
TOKEN_HEADER = "x-listen-token"  # noqa: S105  the name, not the token
MOST_STREAMS = 16
LOOK_SECONDS = 1.0

# Tunnels and proxies add them, also those that are told to rewrite `Host`.
OF_PROXIES = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "cf-connecting-ip",
)  # fmt: skip

SAFE = [
    ("Cache-Control", "no-store"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
]
POLICY = (
    "default-src 'none'; script-src 'nonce-{0}'; style-src 'nonce-{0}'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class ListenServer(LoopbackServer):
    """Receives deliveries for a listener, and shows them.

    Args:
        listener: what takes them.
        port: the TCP port; 0 for any that is free.

    Raises:
        OSError: the port cannot be had.
    """

    def __init__(self, listener: Listener, port: int) -> None:
        super().__init__(_Handler, port)
        self.listener = listener
        self.page = Path(__file__).with_name("_listen_page.html").read_text(encoding="utf-8")
        self.token = secrets.token_urlsafe(24)
        self.run = secrets.token_urlsafe(8)
        self.streams = threading.BoundedSemaphore(MOST_STREAMS)
        self.hosts = [f"{name}:{self.port}" for name in ("127.0.0.1", "localhost", "[::1]")]
        self.origins = [f"http://{host}" for host in self.hosts]

    @property
    def url(self) -> str:
        """Where the page is, and where deliveries may be sent."""
        return f"http://127.0.0.1:{self.port}/"

    def __exit__(self, *error: Any) -> None:
        self.listener.deliveries.close()
        super().__exit__(*error)


class _Handler(Handler):
    server: ListenServer
    allowed = "GET, POST"

    def get(self) -> None:
        self._require_this_machine()
        path = self.path.partition("?")[0]
        if path == "/":
            return self._answer_page()
        self._require_same_origin()
        if path == f"{API}events":
            return self._answer_events()
        if found := re.fullmatch(API + r"deliveries/([0-9]{1,15})", path):
            delivery = self.server.listener.deliveries.get(int(found[1]))
            if delivery is None:
                raise RefusedError(404, "this delivery is not kept any more")
            return self._answer_json(200, detail(delivery))
        raise RefusedError(404, "deliveries are POSTed here; the page that shows them is at /")

    def post(self) -> None:
        if self.path.startswith(API):
            return self._replay()
        body = self.read_body()
        listener = self.server.listener
        delivery = listener.receive(self.path, self.headers.items(), body, self.signature())
        try:
            self.answer(delivery.answered or 502)
        finally:
            listener.tell(delivery)

    def _replay(self) -> None:
        self._require_this_machine()
        self._require_same_origin()
        token = self.headers.get(TOKEN_HEADER, "").encode()
        if not hmac.compare_digest(token, self.server.token.encode()):
            raise RefusedError(403, "this is for the page alone; reload it")
        found = re.fullmatch(API + r"deliveries/([0-9]{1,15})/replay", self.path)
        if found is None:
            raise RefusedError(404, "there is nothing here")
        if self.server.listener.app is None:
            raise RefusedError(409, "there is no app: start listen with --forward-to URL")
        delivery = self.server.listener.replay(int(found[1]))
        if delivery is None:
            raise RefusedError(404, "this delivery is not kept any more")
        try:
            self._answer_json(200, detail(delivery))
        finally:
            self.server.listener.tell(delivery, replay=True)

    def _require_this_machine(self) -> None:
        hosts = self.headers.get_all("host", [])
        named = len(hosts) == 1 and hosts[0].strip().lower() in self.server.hosts
        if not named or any(name in self.headers for name in OF_PROXIES):
            where = f"the page is on the developer's machine only, at {self.server.url}"
            raise RefusedError(403, f"deliveries are POSTed here; {where}")

    def _require_same_origin(self) -> None:
        origins = self.headers.get_all("origin", [])
        site = self.headers.get("sec-fetch-site", "none")
        if site not in ("same-origin", "none") or not set(origins) <= set(self.server.origins):
            raise RefusedError(403, "this is for the page alone")

    def _answer_page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        page = self.server.page.replace("{{nonce}}", nonce)
        page = page.replace("{{token}}", self.server.token).replace("{{run}}", self.server.run)
        policy = [("Content-Security-Policy", POLICY.format(nonce))]
        self._answer_safely(200, page.encode(), "text/html; charset=utf-8", policy)

    def _answer_json(self, status: int, value: object) -> None:
        self._answer_safely(status, json.dumps(value).encode(), "application/json")

    def _answer_safely(
        self, status: int, body: bytes, kind: str, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        self.answer(status, body, [("Content-Type", kind), *SAFE, *headers])

    def _answer_events(self) -> None:
        if not self.server.streams.acquire(blocking=False):
            raise RefusedError(503, "too many pages are open")
        try:
            self.begin(200, [("Content-Type", "text/event-stream"), *SAFE])
            self._send_events()
        finally:
            self.server.streams.release()

    def _send_events(self) -> None:
        listener, version = self.server.listener, 0
        app = listener.app.url if listener.app else None
        self._event("hello", {"run": self.server.run, "url": self.server.url, "forward_to": app})
        while changes := listener.deliveries.changes(version, LOOK_SECONDS):
            if select.select([self.connection], [], [], 0)[0]:
                return  # It sends nothing more: the browser has left.
            if changes.deliveries:
                shown = [summary(delivery) for delivery in changes.deliveries]
                self._event("changes", {"oldest": changes.oldest, "deliveries": shown})
            version = changes.version

    def _event(self, name: str, value: object) -> None:
        self.wfile.write(f"event: {name}\ndata: {json.dumps(value)}\n\n".encode())
