"""The tasks as Celery knows them: names, arguments, how they are acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from celery import chain

from .._shared import Seconds, seconds
from .._sync import Client
from ._work import Work

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from celery import Celery, Signature, Task

    from .._limiter import Limiter
    from ..journal import Journal
    from ..models import BatchResults, Kind
    from ..webhooks import Body, Header, Secret

__all__ = ["Tasks"]


def _client(limiter: Limiter | Journal | None) -> Client:
    return Client(limiter=limiter)


_registered: WeakKeyDictionary[Celery, set[str]] = WeakKeyDictionary()


class Tasks:
    """The ready tasks of an app; making it registers them.

    They are acknowledged when they are done (`acks_late`, `reject_on_worker_lost`): what a killed
    worker had begun is run again. All of them may run twice.

    Args:
        app: your Celery app.
        store: takes the `BatchResults` of each finished batch: a `Folder`, or a function of yours.
            A worker may be killed between storing and acknowledging, so the function must do
            nothing the second time: have it insert by batch and `file_id`. One that also answers
            `token in store` spares requests.
        journal: what the workers know uploads from: the path of a journal on a disk that they
            share, the URL of one in PostgreSQL, a `Journal`, or None: see the page "In Celery" for
            what that costs.
        client: makes the client, once in each worker process, given the limiter that they share;
            by default `lambda limiter: Client(limiter=limiter)`. The limiter is a `RedisLimiter`
            where the broker or the result backend has a plain "redis://" URL, else the journal.
        webhook_secret: what deliveries are signed with; by default `EXTRACTA_WEBHOOK_SECRET` of the
            environment.
        timeout: seconds from the first try of an upload, and from the first look at a batch, until
            the task fails; None for no limit.
        settle_time: seconds that the service may take to show an upload, see `submit`. A worker
            that looks for a lost upload is busy for as long.
        prefix: what the names of the tasks begin with; another one for a second set of tasks.

    Attributes:
        upload: the task `upload(extraction_id, paths, label=None, kind="extraction")`.
        check: the task `check(token)`.
        collect: the task `collect(token)`.
        deliver: the task `deliver(body, header)`.

    Raises:
        ValueError: the app has tasks of this prefix already.
    """

    def __init__(
        self,
        app: Celery,
        *,
        store: Callable[[BatchResults], object],
        journal: Journal | str | os.PathLike[str] | None,
        client: Callable[[Limiter | Journal | None], Client] | None = None,
        webhook_secret: Secret | None = None,
        timeout: Seconds | None = 86_400.0,
        settle_time: Seconds = 60.0,
        prefix: str = "extracta_rs",
    ) -> None:
        taken = _registered.setdefault(app, set())
        if prefix in taken:
            raise ValueError(f"the app has tasks called {prefix}.upload, ... already: pass prefix=")
        taken.add(prefix)
        self._app, self._prefix = app, prefix
        self._work = Work(
            app,
            store=store,
            journal=journal,
            client=client or _client,
            webhook_secret=webhook_secret,
            timeout=None if timeout is None else seconds(timeout),
            settle_time=seconds(settle_time),
        )
        self.upload: Task[..., str] = self._make_upload()
        self.check: Task[..., str] = self._make_check()
        self.collect: Task[..., str] = self._make_collect()
        self.deliver: Task[..., list[str]] = self._make_deliver()

    def extract(
        self,
        extraction_id: str,
        paths: str | Sequence[str],
        *,
        label: str | None = None,
        kind: Kind = "extraction",
        first_look: Seconds = 2.0,
    ) -> Signature[Any]:
        """Return the chain `upload`, then `collect`; send it with `.delay()`.

        Args:
            extraction_id: the extraction to process them with, or the classification.
            paths: one document, or those that shall be one batch, as the workers see them.
            label: a text of yours that names this piece of work. Sent again with the same label,
                it is not paid again. None: the id of the task, which stays the same however often
                Celery runs it, but is another one each time that you send it.
            kind: "extraction", or "classification" where the id is one's; that needs a journal.
            first_look: seconds from the upload to the first look; longer where webhooks come. With
                Redis as the broker less than half of its visibility timeout.

        Example:
            >>> extracta.extract("<extraction id>", "/data/a.pdf", label="invoice-4711").delay()
        """
        upload = self.upload.s(extraction_id, paths, label=label, kind=kind)
        return chain(upload, self.collect.s().set(countdown=seconds(first_look)))

    def _task(self, run: Callable[..., Any]) -> Task[..., Any]:
        options: dict[str, Any] = {"max_retries": None}
        register: Callable[[Callable[..., Any]], Task[..., Any]] = self._app.task(
            name=f"{self._prefix}.{run.__name__}",
            bind=True,
            shared=False,  # with other apps of the process
            acks_late=True,
            reject_on_worker_lost=True,
            **options,
        )
        return register(run)

    def _make_upload(self) -> Task[..., str]:
        work = self._work

        def upload(
            task: Task[..., str],
            extraction_id: str,
            paths: str | list[str],
            label: str | None = None,
            kind: Kind = "extraction",
            since: float | None = None,
        ) -> str:
            """Upload documents as one batch, once for each label; return its token."""
            label = label or task.request.id or ""
            return work.upload(task, extraction_id, paths, label, kind, since)

        return self._task(upload)

    def _make_check(self) -> Task[..., str]:
        work = self._work

        def check(task: Task[..., str], token: str, since: float | None = None) -> str:
            """Look at a batch, again and again until it is finished; return its token."""
            work.check(task, token, since)
            return token

        return self._task(check)

    def _make_collect(self) -> Task[..., str]:
        work = self._work

        def collect(task: Task[..., str], token: str, since: float | None = None) -> str:
            """Store a batch once it is finished, looking as `check` does; return its token."""
            work.collect(task, token, since)
            return token

        return self._task(collect)

    def _make_deliver(self) -> Task[..., list[str]]:
        work, collect = self._work, self.collect

        def deliver(_task: Task[..., list[str]], body: Body, header: Header) -> list[str]:
            """Verify a webhook; have the batches collected that it names; return their tokens."""
            tokens = work.batches(body, header)
            for token in tokens:
                collect.delay(token)
            return tokens

        return self._task(deliver)
