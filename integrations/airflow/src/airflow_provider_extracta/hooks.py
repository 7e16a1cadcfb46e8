"""From an Airflow connection to clients."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.sdk import BaseHook

from extracta_rs import APIConnectionError, APIError, AsyncClient, Client, ExtractaError, Journal
from extracta_rs.redis import RedisLimiter

from . import __version__
from .tries import is_first, label_of, note_refused
from .uploads import opened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Connection, Context

__all__ = ["ExtractaHook"]

EXTRA = {
    "timeout": (float, "seconds"),
    "connect_timeout": (float, "seconds"),
    "min_poll_spacing": (float, "seconds"),
    "max_retries": (int, "a whole number"),
    "limiter": (str, "the URL of a Redis, or a journal"),
}
REDIS = ("redis://", "rediss://", "unix://")


class ExtractaHook(BaseHook):
    """Build clients from a connection of the type `extracta`.

    The connection's password is the API key, its host the base URL (empty: the vendor's). Its
    extra may have `timeout`, `connect_timeout` and `min_poll_spacing`, in seconds, and
    `max_retries`; they are the arguments of `extracta_rs.Client`. So is `limiter`, which keeps
    the spacing for all workers and triggerers: the URL of a Redis that they share, or a journal
    (a path on a disk that they share, or its "postgresql://" URL).

    Args:
        extracta_conn_id: the id of the connection.
    """

    conn_name_attr = "extracta_conn_id"
    default_conn_name = "extracta_default"
    conn_type = "extracta"
    hook_name = "Extracta"

    # One limiter for all that a process asks with one key: a client for each loop and settings.
    _shared: ClassVar[
        WeakKeyDictionary[asyncio.AbstractEventLoop, dict[frozenset[Any], AsyncClient]]
    ] = WeakKeyDictionary()

    def __init__(self, extracta_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.extracta_conn_id = extracta_conn_id

    @cached_property
    def client(self) -> Client:
        """The client of this hook.

        Raises:
            AirflowNotFoundException: there is no such connection.
            ValueError: the connection is unusable; the message names what.
        """
        settings = client_settings(self.get_connection(self.extracta_conn_id))
        return Client(**arguments(settings))

    def get_conn(self) -> Client:
        """Return the client of this hook; see `client`."""
        return self.client

    async def get_async_conn(self) -> AsyncClient:
        """Return the client that all of this event loop share for this connection.

        It is left open: others use it, and its limiter has to remember.

        Raises:
            AirflowNotFoundException: there is no such connection.
            ValueError: the connection is unusable; the message names what.
        """
        settings = client_settings(await aget_connection(self.extracta_conn_id))
        clients = self._shared.setdefault(asyncio.get_running_loop(), {})
        key = frozenset(settings.items())
        if key not in clients:
            # A journal is opened; whoever was quicker meanwhile made the client of all.
            made = await asyncio.to_thread(arguments, settings)
            if key not in clients:
                clients[key] = AsyncClient(**made)
        return clients[key]

    def submit(
        self,
        context: Context,
        extraction_id: str,
        files: str | Sequence[str],
        *,
        idempotency_label: str | None = None,
        journal: str | None = None,
    ) -> str:
        """Upload once for all tries of a task instance; return the batch's token.

        Args:
            context: the running task's: `airflow.sdk.get_current_context()`.
            extraction_id: the extraction template.
            files: a path, or several; one with `://` is read with `ObjectStoragePath`.
            idempotency_label: what names this piece of work; by default
                `dag_id.task_id.run_id.map_index`. A task that submits twice needs two of them.
            journal: a journal's path, for workers that share a disk.

        Raises:
            UploadOutcomeUnknownError: an earlier upload cannot be told from none.
            APIError: the service refused.
            OSError: a file cannot be read.
        """
        with opened(files) as several:
            try:
                token = self.client.submit(
                    extraction_id,
                    several,
                    idempotency_label=idempotency_label or label_of(context),
                    journal=journal,
                    first_try=is_first(context),
                )
            except (APIError, APIConnectionError) as error:
                note_refused(context, error)
                raise
        self.log.info("the batch is %s", token)
        return token

    def test_connection(self) -> tuple[bool, str]:
        """Ask for the account's credits, which costs nothing.

        Returns:
            Whether the service answered, and what it said.
        """
        try:
            settings = client_settings(self.get_connection(self.extracta_conn_id))
            with Client(**arguments(settings)) as client:
                return True, f"The service answers: {client.credits()} credits are left."
        except (ExtractaError, ValueError) as error:
            return False, f"{type(error).__name__}: {error}"


async def aget_connection(conn_id: str) -> Connection:
    """Return a connection without blocking the event loop, in every Airflow 3."""
    if hasattr(BaseHook, "aget_connection"):
        return await BaseHook.aget_connection(conn_id)
    from asgiref.sync import sync_to_async

    return await sync_to_async(BaseHook.get_connection)(conn_id)


def arguments(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Client` and `AsyncClient`, with what `limiter` names."""
    named = settings.get("limiter")
    if named is None:
        return settings
    limiter = RedisLimiter(named) if named.startswith(REDIS) else Journal(named)
    return {**settings, "limiter": limiter}


def client_settings(connection: Connection) -> dict[str, Any]:
    """Return what `arguments` makes the arguments of `Client` and `AsyncClient` of.

    Raises:
        ValueError: the connection is unusable; the message names what, and shows no secret.
    """
    name = f"connection {connection.conn_id!r}"
    if not connection.password:
        raise ValueError(f"{name} has no password: put the Extracta API key there")
    settings: dict[str, Any] = {
        "api_key": connection.password,
        "user_agent": f"airflow-provider-extracta/{__version__}",
    }
    if connection.host:
        if "://" not in connection.host:
            raise ValueError(
                f"{name}: host must be the base URL, such as https://api.extracta.ai/api/v1, "
                f"not {connection.host!r}"
            )
        settings["base_url"] = connection.host
    for key, value in connection.extra_dejson.items():
        if value is None or value == "":
            continue
        if key not in EXTRA:
            raise ValueError(f"{name}: extra has {key!r}; known are {', '.join(EXTRA)}")
        kind, unit = EXTRA[key]
        try:
            settings[key] = kind(value)
        except (TypeError, ValueError):
            raise ValueError(f"{name}: {key} must be {unit}, not {value!r}") from None
    return settings
