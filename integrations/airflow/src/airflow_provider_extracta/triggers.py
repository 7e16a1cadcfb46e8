"""Waits for a batch in the triggerer."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from extracta_rs import ExtractaError

from .hooks import ExtractaHook
from .results import store, summary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self

    from extracta_rs import BatchResults

__all__ = ["ExtractaBatchTrigger"]

# An executor's supervisor may see only at its next heartbeat, after 5 s, that a task has deferred;
# Airflow 3.3 fails a task that is at work again before that.
FIRST_LOOK = 6.0
GRACE = timedelta(minutes=5)  # for a triggerer that is down when the time is over


class ExtractaBatchTrigger(BaseTrigger):
    """Wait until a batch is finished; then write its results, where a path is given.

    All that it knows is in its arguments: a triggerer that takes it over goes on where the last
    one stopped, with the same deadline. The triggers of one triggerer and one connection share
    a client, so that they keep the spacing together and one request sees many batches.

    The event is a dict. `outcome` is "finished", "timeout" or "error". With "finished" come the
    ids and counts of `summary`, with "timeout" the `token` and a `problem` (why the service could
    not be asked last, or None), with "error" a text, `error`.

    Args:
        token: the batch, as `submit` gave it.
        deadline: when to give up, in seconds since 1970.
        since: when the wait began, in seconds since 1970: looks get rarer with time.
        extracta_conn_id: the id of the connection.
        results_path: a folder, or an object store's URL, to write results to.
    """

    def __init__(
        self,
        token: str,
        deadline: float,
        since: float,
        extracta_conn_id: str = ExtractaHook.default_conn_name,
        results_path: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.token = token
        self.deadline = deadline
        self.since = since
        self.extracta_conn_id = extracta_conn_id
        self.results_path = results_path

    @classmethod
    def starting_now(
        cls, token: str, wait_timeout: float, extracta_conn_id: str, results_path: str | None
    ) -> Self:
        """Return a trigger that waits from now on for so many seconds."""
        now = time.time()
        return cls(token, now + wait_timeout, now, extracta_conn_id, results_path)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments, which are all the state there is."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "token": self.token,
                "deadline": self.deadline,
                "since": self.since,
                "extracta_conn_id": self.extracta_conn_id,
                "results_path": self.results_path,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, when there is nothing left to wait for."""
        yield TriggerEvent(await self._wait())  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Leave the batch as it is: it is paid for."""
        self.log.info("the batch goes on at the service, and is paid for: %s", self.token)

    async def _wait(self) -> dict[str, Any]:
        client = await ExtractaHook(self.extracta_conn_id).get_async_conn()
        first_look = min(self.since + FIRST_LOOK, self.deadline)
        await asyncio.sleep(max(0.0, first_look - time.time()))
        while True:
            try:
                status = await client.check(self.token, waited=max(0.0, time.time() - self.since))
                if status.finished:
                    results = await client.fetch(self.token)
                    break
            except ExtractaError as error:
                return {"outcome": "error", "error": f"{type(error).__name__}: {error}"}
            left = self.deadline - time.time()
            if left <= 0:
                problem = None if status.problem is None else str(status.problem)
                return {"outcome": "timeout", "token": self.token, "problem": problem}
            await asyncio.sleep(min(status.retry_after, left))
        written = await self._written(results)
        return {"outcome": "finished", **summary(self.token, results, written)}

    async def _written(self, results: BatchResults) -> str | None:
        """Return where the results were written; None leaves it to the worker."""
        if self.results_path is None:
            return None
        try:
            return await asyncio.to_thread(store, results, self.results_path)
        except Exception:  # disks, and whatever an object store raises: a worker may do better
            self.log.exception("the results cannot be written here; the worker will")
            return None
