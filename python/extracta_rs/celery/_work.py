"""What the tasks do, each time one of them runs."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Container
from typing import TYPE_CHECKING, Any, NoReturn

from celery.utils.time import get_exponential_backoff_interval

from .._shared import SECRET_VARIABLE, environment_secrets
from .._sync import Client
from ..exceptions import (
    APIConnectionError,
    ConfigurationError,
    RateLimitError,
    ServerError,
    UploadOutcomeUnknownError,
    WaitTimeoutError,
)
from ..journal import Journal
from ..models import BatchRef
from ..redis import RedisLimiter
from ..webhooks import unwrap
from ._held import Held

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery, Task

    from .._limiter import Limiter
    from ..models import BatchResults, Kind
    from ..webhooks import Body, Header, Secret

LONGEST_BACKOFF = 300
# Seconds that an upload may look for an earlier one, beyond those that the service may take to
# show it: a worker is busy meanwhile. Without a journal each batch is looked through.
PATIENCE, PATIENCE_WITHOUT_JOURNAL = 30.0, 300.0
# These mark a message that comes again, so that one without a mark is the first try.
MARKING = {"amqp", "amqps", "pyamqp", "librabbitmq", "redis", "rediss", "sentinel"}
PLAIN_REDIS = re.compile(r"redis://[^;?]+")
# These deliver a message again that nobody has acknowledged for so many seconds.
VISIBILITY = {"redis": 3600.0, "rediss": 3600.0, "sentinel": 3600.0, "sqs": 1800.0}


class Work:
    """The settings of the tasks, and what each of them does."""

    def __init__(
        self,
        app: Celery,
        *,
        store: Callable[[BatchResults], object],
        journal: Journal | str | os.PathLike[str] | None,
        client: Callable[[Limiter | Journal | None], Client],
        webhook_secret: Secret | None,
        timeout: float | None,
        settle_time: float,
    ) -> None:
        self._app = app
        self._store = store
        self._client = Held(lambda: client(self._limiter()))
        self._given = journal if isinstance(journal, Journal) else None
        opens = journal is not None and self._given is None
        self._journal = Held(lambda: Journal(journal)) if opens else None  # type: ignore[arg-type]
        self._secret = webhook_secret
        self._timeout = timeout
        self._settle_time = settle_time

    def upload(
        self,
        task: Task[..., Any],
        resource_id: str,
        paths: str | Sequence[str],
        label: str,
        kind: Kind,
        since: float | None,
    ) -> str:
        """Submit documents; return the token of their batch."""
        since = time.time() if since is None else since
        client = self._client.get()
        verbs = client.extractions if kind == "extraction" else client.classifications
        journal = self._open_journal()
        try:
            return verbs.submit(
                resource_id,
                paths,
                idempotency_label=label,
                journal=journal,
                first_try=self._is_first(task),
                settle_time=self._settle_time,
                timeout=self._settle_time
                + (PATIENCE_WITHOUT_JOURNAL if journal is None else PATIENCE),
            )
        except UploadOutcomeUnknownError as error:
            if error.retry_after is None:
                raise
            self._upload_again(task, since, error, error.retry_after)
        except (RateLimitError, ServerError, APIConnectionError) as error:
            asked = getattr(error, "retry_after", None)
            pause = get_exponential_backoff_interval(2, task.request.retries, LONGEST_BACKOFF, True)
            self._upload_again(task, since, error, pause + 1 if asked is None else asked)

    def check(self, task: Task[..., Any], token: str, since: float | None) -> None:
        """Return where the batch is finished; otherwise put the task back and raise."""
        since = time.time() if since is None else since
        client = self._client.get()
        status = client.check(token, waited=max(0.0, time.time() - since))
        if status.finished:
            return
        if task.request.is_eager:  # there is no worker to put it back to
            client.resume(token).wait(timeout=self._timeout)
            return
        self._look_again(task, token, since, status.retry_after)

    def collect(self, task: Task[..., Any], token: str, since: float | None) -> None:
        """Store the results of a batch, once it is finished."""
        if isinstance(self._store, Container) and token in self._store:
            return
        since = time.time() if since is None else since
        self.check(task, token, since)
        results = self._client.get().fetch(token)
        if not results.finished:
            self._look_again(task, token, since, 2.0)
        self._store(results)

    def batches(self, body: Body, header: Header) -> list[str]:
        """Return the tokens of the batches that a signed delivery names."""
        secret = self._secret or environment_secrets()
        if not secret:
            raise ConfigurationError(
                f"webhook_secret: there is none; pass it to Tasks or set {SECRET_VARIABLE}"
            )
        named = [
            BatchRef(
                extraction_id=file.extraction_id,
                classification_id=file.classification_id,
                batch_id=file.batch_id,
            )
            for file in unwrap(body, header, secret).files
            if file.batch_id and (file.extraction_id or file.classification_id)
        ]
        return list(dict.fromkeys(batch.token() for batch in named))

    def _open_journal(self) -> Journal | None:
        return self._given if self._journal is None else self._journal.get()

    def _limiter(self) -> Limiter | Journal | None:
        """Return what all workers share, to keep their requests apart."""
        for url in (self._app.conf.broker_write_url, self._app.conf.result_backend):
            # Other URLs may say what only Celery understands.
            if isinstance(url, str) and PLAIN_REDIS.fullmatch(url):
                return RedisLimiter(url)
        return self._open_journal()

    def _is_first(self, task: Task[..., Any]) -> bool:
        """Tell whether no other worker can have had this message, or one before it."""
        request = task.request
        if request.is_eager:
            return request.retries == 0
        again = (request.delivery_info or {}).get("redelivered")
        return request.retries == 0 and not again and self._transport() in MARKING

    def _transport(self) -> str:
        return str(self._app.connection_for_write().transport_cls)

    def _upload_again(
        self, task: Task[..., Any], since: float, error: Exception, seconds: float
    ) -> NoReturn:
        late = self._timeout is not None and time.time() - since >= self._timeout
        if late or task.request.is_eager:
            raise error
        kwargs = {**(task.request.kwargs or {}), "since": since}
        raise task.retry(kwargs=kwargs, exc=error, countdown=self._countdown(seconds))

    def _look_again(
        self, task: Task[..., Any], token: str, since: float, seconds: float
    ) -> NoReturn:
        waited = time.time() - since
        if self._timeout is not None and waited >= self._timeout:
            raise WaitTimeoutError(
                f"the batch was not finished after {waited:.0f} s: run `collect` again with its "
                f"token, {token}",
                token=token,
            )
        raise task.retry(args=(token,), kwargs={"since": since}, countdown=self._countdown(seconds))

    def _countdown(self, seconds: float) -> float:
        """Keep a message from coming twice: one that waits is not acknowledged."""
        default = VISIBILITY.get(self._transport())
        if default is None:
            return seconds
        options = self._app.conf.broker_transport_options or {}
        return min(seconds, float(options.get("visibility_timeout", default)) / 2)
