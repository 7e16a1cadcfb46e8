"""Cassettes: real traffic recorded once, replayed without a network ever after.

A server on loopback stands between client and service, since the traffic of a Rust client is not
seen by what patches Python's HTTP libraries. The command line, too, can be led through it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .. import _core
from ._format import CassetteError, CassetteMismatchError, load, save
from ._scrub import Scrub, Scrubber

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .._async import AsyncClient
    from .._sync import Client
    from ._player import Player
    from ._recorder import Recorder

Polls: TypeAlias = Literal["all", "last"]
CassetteMode: TypeAlias = Literal["once", "record", "replay"]
"""What a cassette does: replay where there is one, else record ("once"); always the one or the
other."""

REPLAY_KEY = "replayed"


class Cassette:
    """A recording or a replay that runs; made by `record`, `replay` and `cassette`.

    Use it in a `with`: its beginning starts the server, and its end writes what was recorded.

    Attributes:
        path: the cassette's file.
        mode: "record" or "replay".
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        mode: Literal["record", "replay"],
        *,
        base_url: str | None,
        ca_bundle: str | os.PathLike[str] | None,
        scrub: Scrub,
        polls: Polls,
    ) -> None:
        if polls not in ("all", "last"):
            raise ValueError(f"polls: not {polls!r}; all or last")
        self.path = Path(path)
        self.mode = mode
        self._base_url = base_url
        self._ca_bundle = ca_bundle
        self._scrubber = Scrubber(scrub)
        self._polls: Polls = polls
        self._recorder: Recorder | None = None
        self._player: Player | None = None

    @property
    def base_url(self) -> str:
        """The URL to give to a client: "http://127.0.0.1:PORT/api/v1".

        Raises:
            RuntimeError: the `with` has not begun.
        """
        server = self._recorder or self._player
        if server is None:
            raise RuntimeError("the cassette does not run: use it in a `with`")
        return server.base_url

    @property
    def api_key(self) -> str | None:
        """The key to give to a client: any in a replay; None, the environment's, in a recording."""
        return REPLAY_KEY if self.mode == "replay" else None

    @property
    def unexpected(self) -> list[str]:
        """What was asked for in a replay that is not in the cassette, and what comes nearest."""
        return list(self._player.unexpected) if self._player else []

    def client(self, **options: Any) -> Client:
        """Build a `Client` of this cassette; in a replay its polls need no spacing.

        Args:
            options: as for `Client`.
        """
        from .._sync import Client

        return Client(**self._options(options))

    def async_client(self, **options: Any) -> AsyncClient:
        """Build an `AsyncClient` of this cassette; in a replay its polls need no spacing.

        Args:
            options: as for `AsyncClient`.
        """
        from .._async import AsyncClient

        return AsyncClient(**self._options(options))

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        own: dict[str, Any] = {"api_key": self.api_key, "base_url": self.base_url}
        if self.mode == "replay":
            own["min_poll_spacing"] = 0.0
        return {**own, **options}

    def discard(self) -> None:
        """Let what was recorded not be written at the end."""
        self._discarded = True

    _discarded = False

    def __enter__(self) -> Self:
        if self.mode == "record":
            from ._recorder import Recorder
            from ._upstream import Upstream

            base_url = self._base_url or os.environ.get("EXTRACTA_BASE_URL")
            upstream = Upstream(base_url or _core.VENDOR_BASE_URL, self._ca_bundle)
            self._recorder = Recorder(upstream)
            self._recorder.__enter__()
        else:
            from ._player import Player

            self._player = Player(load(self.path), self._scrubber, self._polls)
            self._player.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._recorder is not None:
            self._recorder.__exit__()
            if error is None and not self._discarded:
                self._write(self._recorder)
            elif error is not None:
                error.add_note(f"nothing was recorded to {self.path}: the recording failed")
        if self._player is not None:
            self._player.__exit__()
            self._complain(self._player, error)

    def _write(self, recorder: Recorder) -> None:
        if recorder.errors:
            raise CassetteError(f"{self.path}: cannot be recorded: {'; '.join(recorder.errors)}")
        exchanges = recorder.exchanges(self._scrubber)
        if not exchanges:
            raise CassetteError(
                f"{self.path}: there is nothing to record: no client was given the cassette's "
                "base_url"
            )
        save(self.path, exchanges)

    def _complain(self, player: Player, error: BaseException | None) -> None:
        if player.errors:
            raise player.errors[0]
        if not player.unexpected:
            return
        listed = "\n".join(f"- {text}" for text in dict.fromkeys(player.unexpected))
        text = f"{self.path} does not have what was asked for:\n{listed}"
        if error is None:
            raise CassetteMismatchError(text)
        error.add_note(text)

    def __repr__(self) -> str:
        return f"<Cassette {str(self.path)!r}, {self.mode}>"


def record(
    path: str | os.PathLike[str],
    *,
    base_url: str | None = None,
    scrub: Scrub = (),
    ca_bundle: str | os.PathLike[str] | None = None,
) -> Cassette:
    """Record a session of real traffic as a cassette.

    ```python
    with record("tests/cassettes/invoices.json") as cassette, cassette.client() as client:
        client.extractions.run(extraction_id, ["invoice.pdf"])
    ```

    Clients (blocking, asyncio, or the command line) reach the service through `cassette.base_url`.
    The file is written when the `with` ends well, whole or not at all. In it are methods, paths and
    JSON; no header but `Content-Type`, `Retry-After` and `Location`; of an upload its names, sizes
    and SHA-256, not the documents. API keys, webhook secrets, passwords and the queries of URLs
    are replaced by "scrubbed".

    Args:
        path: the file; its folder is made where there is none.
        base_url: the service; by default `EXTRACTA_BASE_URL`, then the vendor's.
        scrub: what else shall not be kept. A text names keys, wherever they are: "iban", or
            "supplier.name" for the one inside the other. A callable takes the JSON of a request or
            an answer (of an upload a dict of `form` and `files`), and returns what may be kept.
            A replay needs the same.
        ca_bundle: a PEM file of certificates to trust besides the system's.

    Returns:
        The recording; begin it with `with`. At the end it raises `CassetteError` where nothing was
        recorded or the file cannot be written.

    Raises:
        TypeError: a `scrub` that is neither a key nor a callable.
    """
    return Cassette(
        path, "record", base_url=base_url, ca_bundle=ca_bundle, scrub=scrub, polls="all"
    )


def replay(path: str | os.PathLike[str], *, scrub: Scrub = (), polls: Polls = "all") -> Cassette:
    """Replay a cassette: a server that answers as the service did, without a network or a key.

    A request is found by its method, path and body. Equal requests get their answers in the
    recorded order, then the last one again. Where no answer came, the connection is cut. A request
    that was not recorded is answered with status 400, names the nearest recorded one, and makes
    the `with` end with `CassetteMismatchError`.

    Args:
        path: the file.
        scrub: what was given to `record`.
        polls: "last" gives a wait its last answer at once, "all" each one that was recorded.

    Returns:
        The replay; begin it with `with`. That raises `CassetteError` where there is no cassette,
        or a part of one, or a file of another kind.

    Raises:
        TypeError: a `scrub` that is neither a key nor a callable.
        ValueError: an unknown `polls`.
    """
    return Cassette(path, "replay", base_url=None, ca_bundle=None, scrub=scrub, polls=polls)


def cassette(
    path: str | os.PathLike[str],
    *,
    mode: CassetteMode = "once",
    base_url: str | None = None,
    scrub: Scrub = (),
    polls: Polls = "all",
    ca_bundle: str | os.PathLike[str] | None = None,
) -> Cassette:
    """Replay a cassette where there is one, otherwise record it.

    Args:
        path: the file.
        mode: "once" as said; "record" and "replay" as `record` and `replay`.
        base_url: as for `record`.
        scrub: as for `record`.
        polls: as for `replay`.
        ca_bundle: as for `record`.

    Returns:
        The recording or the replay; `mode` says which. Begin it with `with`.

    Raises:
        TypeError: a `scrub` that is neither a key nor a callable.
        ValueError: an unknown mode or `polls`.
    """
    if mode not in ("once", "record", "replay"):
        raise ValueError(f"mode: not {mode!r}; once, record or replay")
    replays = mode == "replay" or (mode == "once" and Path(path).exists())
    return Cassette(
        path,
        "replay" if replays else "record",
        base_url=base_url,
        ca_bundle=ca_bundle,
        scrub=scrub,
        polls=polls,
    )
