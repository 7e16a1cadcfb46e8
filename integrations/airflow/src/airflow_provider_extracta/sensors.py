"""Waits for a batch that somebody else uploaded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from extracta_rs import WaitTimeoutError

from .events import finished
from .hooks import ExtractaHook
from .results import summary
from .triggers import GRACE, ExtractaBatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

__all__ = ["ExtractaBatchSensor"]


class ExtractaBatchSensor(BaseSensorOperator):
    """Wait until a batch is finished, of an extraction or of a classification.

    XCom gets its ids and counts, no results: `ExtractaHook().client.fetch(token)` gets those. A
    batch whose files failed is finished too: `failed` counts them.

    Args:
        token: the batch, as `submit` or `Batch.token()` gave it. Templated.
        deferrable: whether the triggerer waits, instead of a worker.
        extracta_conn_id: the connection. Templated.
        **kwargs: those of every sensor, such as `timeout`, `poke_interval` and `mode`.
    """

    template_fields: Sequence[str] = ("token", "extracta_conn_id")
    ui_color = "#d7efe9"

    def __init__(
        self,
        *,
        token: str | XComArg,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        extracta_conn_id: str = ExtractaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.token = cast("str", token)  # what another task returns is put in before `execute`
        self.deferrable = deferrable
        self.extracta_conn_id = extracta_conn_id

    @cached_property
    def hook(self) -> ExtractaHook:
        """The hook of this task's connection."""
        return ExtractaHook(self.extracta_conn_id)

    def poke(self, context: Context) -> PokeReturnValue:  # noqa: ARG002
        """Look once at the batch."""
        if not isinstance(self.token, str):
            raise AirflowFailException(f"token must be a str, not {type(self.token).__name__}")
        client = self.hook.client
        status = client.check(self.token)
        if not status.finished:
            self.log.info("not finished: %s of %s files are done", status.done, status.files)
            return PokeReturnValue(is_done=False)
        ids = summary(self.token, client.fetch(self.token), None)
        return PokeReturnValue(is_done=True, xcom_value=ids)

    def execute(self, context: Context) -> Any:
        """Wait here or in the triggerer."""
        if self.deferrable:
            trigger = ExtractaBatchTrigger.starting_now(
                self.token, self.timeout, self.extracta_conn_id, None
            )
            self.defer(
                trigger=trigger,
                method_name="execute_complete",
                timeout=timedelta(seconds=self.timeout) + GRACE,
            )
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Go on where the trigger has ended."""
        try:
            return finished(event)
        except WaitTimeoutError as error:
            raise AirflowSensorTimeout(str(error)) from None
