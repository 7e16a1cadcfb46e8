"""Uploads documents once, waits for them, and writes their results."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    BaseOperator,
    ResumableJobMixin,
    conf,
)

from .events import finished, seconds
from .hooks import ExtractaHook
from .results import is_there, store, summary
from .tries import kept_key, label_of
from .triggers import GRACE, ExtractaBatchTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context, XComArg

    from extracta_rs import BatchResults

__all__ = ["ExtractaExtractOperator"]


class ExtractaExtractOperator(ResumableJobMixin, BaseOperator):
    """Extract documents: upload them as one batch, wait for it, write the results.

    The files are uploaded, and paid for, once, however often the task is tried: every try finds
    the batch of the first one by `idempotency_label`. On Airflow 3.3 and later the batch is kept
    in the task's state store too (`durable`), so that a retry does not have to look for it.

    XCom gets ids and counts: `token`, `extraction_id`, `batch_id`, `files`, `failed` and
    `results_path`. `ExtractaHook().client.fetch(token)` gets the results, where no path is given.

    Killing the task (or marking it) stops the wait, not the batch: it is paid for, and a task
    that is cleared goes on with it.

    Args:
        extraction_id: the extraction template. Templated.
        files: a path, or several; one with `://` is read with `airflow.sdk.ObjectStoragePath`.
            Templated.
        results_path: the folder, or object store's URL, that gets `<batch id>.json`. All workers
            and, with `deferrable`, the triggerer should see it. Templated.
        idempotency_label: what names this piece of work in every try; by default
            `dag_id.task_id.run_id.map_index`. Another label pays again. Templated.
        journal: a journal's path, for workers that share a disk; see `Client.submit`. Templated.
        wait_timeout: seconds, or a timedelta, that one try waits for the batch.
        fail_on_failed_files: whether the task fails, without retries, where the service could
            not process a file; the results of the others are written before.
        deferrable: whether the triggerer waits, instead of a worker.
        durable: whether the state store is used (Airflow 3.3 and later).
        extracta_conn_id: the connection. Templated.
    """

    template_fields: Sequence[str] = (
        "extraction_id",
        "files",
        "results_path",
        "idempotency_label",
        "journal",
        "extracta_conn_id",
    )
    ui_color = "#d7efe9"

    def __init__(
        self,
        *,
        extraction_id: str | XComArg,
        files: str | Sequence[str] | XComArg,
        results_path: str | None = None,
        idempotency_label: str | None = None,
        journal: str | None = None,
        wait_timeout: float | timedelta = timedelta(hours=1),
        fail_on_failed_files: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        extracta_conn_id: str = ExtractaHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        # What other tasks return is put in before `execute`.
        self.extraction_id = cast("str", extraction_id)
        self.files = cast("str | Sequence[str]", files)
        self.results_path = results_path
        self.idempotency_label = idempotency_label
        self.journal = journal
        self.wait_timeout = seconds("wait_timeout", wait_timeout)
        self.fail_on_failed_files = fail_on_failed_files
        self.deferrable = deferrable
        self.extracta_conn_id = extracta_conn_id
        self._waiting = False
        self._done: dict[str, Any] | None = None

    @cached_property
    def hook(self) -> ExtractaHook:
        """The hook of this task's connection."""
        return ExtractaHook(self.extracta_conn_id)

    def execute(self, context: Context) -> Any:
        """Upload, unless an earlier try did; then wait here or in the triggerer."""
        self.idempotency_label = self.idempotency_label or label_of(context)
        self.external_id_key = kept_key(self.idempotency_label)
        if self.deferrable:
            token = self._standing(context)
            trigger = ExtractaBatchTrigger.starting_now(
                token, self.wait_timeout, self.extracta_conn_id, self.results_path
            )
            self.defer(
                trigger=trigger,
                method_name="execute_complete",
                timeout=timedelta(seconds=self.wait_timeout) + GRACE,
            )
        return self.execute_resumable(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Go on where the trigger has ended."""
        ids = finished(event)
        written = ids["results_path"]
        if self.results_path is not None and (written is None or not is_there(written)):
            self.log.warning("this worker sees no results of the triggerer, and writes them")
            results = self.hook.client.fetch(ids["token"])
            ids["results_path"] = store(results, self.results_path)
        return self._accepted(ids)

    def on_kill(self) -> None:
        """Stop waiting; the batch is left as it is, since it is paid for."""
        if self._waiting:
            self.log.info("the wait is stopped; the batch goes on at the service, and is paid for")
            self.hook.client.close()

    def submit_job(self, context: Context) -> str:
        """Upload under the label, or find the batch of an earlier try; return its token."""
        return self.hook.submit(
            context,
            self.extraction_id,
            self.files,
            idempotency_label=self.idempotency_label,
            journal=self.journal,
        )

    def get_job_status(self, external_id: Any, context: Context) -> str:  # noqa: ARG002
        """Look once at the batch."""
        return "finished" if self.hook.client.check(external_id).finished else "active"

    def is_job_active(self, status: str) -> bool:
        """Return whether there is something to wait for."""
        return status == "active"

    def is_job_succeeded(self, status: str) -> bool:
        """Return whether the results are there. No status asks for another upload."""
        return status == "finished"

    def poll_until_complete(self, external_id: Any, context: Context) -> Any:
        """Wait in this process; return what `get_job_result` does."""
        self._waiting = True
        try:
            results = self.hook.client.resume(external_id).wait(timeout=self.wait_timeout)
        finally:
            self._waiting = False
        self._done = self._finish(external_id, results)
        return self.get_job_result(external_id, context)

    def get_job_result(self, external_id: Any, context: Context) -> Any:  # noqa: ARG002
        """Write the results and return their ids."""
        if self._done is None:
            self._done = self._finish(external_id, self.hook.client.fetch(external_id))
        return self._accepted(self._done)

    def _standing(self, context: Context) -> str:
        """Return the token of an earlier try, or upload and keep the token."""
        kept = context.get("task_state_store") if self.durable else None
        if kept is not None and isinstance(token := kept.get(self.external_id_key), str):
            self.log.info("an earlier try uploaded: the batch is %s", token)
            return token
        token = self.submit_job(context)
        if kept is not None:
            kept.set(self.external_id_key, token)
        return token

    def _finish(self, token: str, results: BatchResults) -> dict[str, Any]:
        written = None if self.results_path is None else store(results, self.results_path)
        return summary(token, results, written)

    def _accepted(self, ids: dict[str, Any]) -> dict[str, Any]:
        if ids["failed"] and self.fail_on_failed_files:
            raise AirflowFailException(
                f"the service could not process {ids['failed']} of {ids['files']} files of batch "
                f"{ids['batch_id']}; results: {ids['results_path'] or ids['token']}"
            )
        return ids
