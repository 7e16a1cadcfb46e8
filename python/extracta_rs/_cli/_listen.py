"""`extracta-rs listen`, put together."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

from ._listen_server import ListenServer
from ._listener import Listener
from ._outcome import USAGE, CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._endpoint import Endpoint
    from ._listener import View


def run_listen(
    view: View,
    secrets: Sequence[str],
    *,
    port: int,
    app: Endpoint | None,
    forward_invalid: bool,
    keep: int,
) -> None:
    """Listen until Ctrl-C.

    Raises:
        CommandError: the arguments or the port cannot be used.
        ConfigurationError: a secret cannot be used.
    """
    if forward_invalid and app is None:
        raise CommandError("--forward-invalid needs --forward-to", USAGE)
    listener = Listener(secrets, app, forward_invalid=forward_invalid, keep=keep)
    try:
        server = ListenServer(listener, port)
    except OSError as error:
        why = f"cannot listen on port {port} ({error.strerror or error})"
        raise CommandError(f"{why}: choose another with --port, or 0 for any") from None
    with server:
        if app and app.port == server.port and app.host in ("127.0.0.1", "localhost", "::1"):
            raise CommandError("--forward-to names this very command: give it another port", USAGE)
        view.started(server.url, app.url if app else None)
        while True:
            try:
                # With a timeout: on Windows Ctrl-C does not end a wait without one.
                delivery, replay = listener.lines.get(timeout=1)
            except queue.Empty:
                continue
            view.show(delivery, replay)
