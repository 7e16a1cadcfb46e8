"""An offline Extracta.ai service for tests: `Emulator`.

It is a real HTTP server on 127.0.0.1 with all endpoints, with state, with signed webhooks and with
faults to order. Nothing of what is sent to it leaves the machine.
"""

from __future__ import annotations

import atexit
import json
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .. import _core

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

__all__ = ["Delivery", "Emulator", "Faults", "Part", "Request", "Results"]

Results: TypeAlias = (
    Mapping[str, Mapping[str, Any]]
    | Callable[[str, bytes, dict[str, Any]], Mapping[str, Any] | None]
)
"""Results by file name, or a callable `(file_name, content, template)` that returns a file's
result, or None for the default one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart body.

    Attributes:
        name: the form field's name.
        file_name: the file name, decoded.
        content_type: the part's `Content-Type`.
        size: the content's size in bytes.
        sha256: the content's SHA-256, hexadecimal.
        content_disposition: the part's `Content-Disposition` as it was sent.
    """

    name: str | None
    file_name: str | None
    content_type: str | None
    size: int
    sha256: str
    content_disposition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as the emulator received it.

    Attributes:
        method: the HTTP method.
        path: the path below the base URL ("/getBatchResults"); elsewhere the whole path.
        endpoint: the endpoint's name as `Faults.add` takes it, or None for an unknown route.
        time: when its head had arrived, in seconds since the emulator's start (monotonic).
        unix_time: the same in seconds since 1970.
        status: the status of the answer; None while there is none, and where no answer was sent.
        headers: the headers in their order, names in lower case, the API key among them.
        body: the first 64 KiB of the body; empty for a multipart body, see `parts`.
        parts: the parts of a multipart body.
        extraction_id: the extraction that the request named or created.
        classification_id: the classification that the request named or created.
        batch_id: the batch that the request named or created.
        file_ids: the files that the request named or created.
        carried_out: whether the request took effect; False for a refused one and for one that a
            fault kept back.
    """

    method: str
    path: str
    endpoint: str | None
    time: float
    unix_time: float
    status: int | None
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes
    parts: list[Part]
    extraction_id: str | None
    classification_id: str | None
    batch_id: str | None
    file_ids: list[str]
    carried_out: bool

    def header(self, name: str) -> str | None:
        """Return the first header of this name (case is ignored), or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    def json(self) -> Any:
        """Return the body, parsed as JSON.

        Raises:
            ValueError: the body is not JSON, or was longer than 64 KiB.
        """
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One attempt to deliver a webhook.

    Attributes:
        time: when the attempt ended, in seconds since the emulator's start (monotonic).
        url: the URL that was called.
        event: the event, also where the legacy generation does not send it.
        batch_id: the batch that was finished.
        attempt: 1 for the first attempt; a failed one is repeated up to three times.
        status: the receiver's HTTP status, or None where it did not answer.
        error: why it did not answer, or None.
        body: the body that was sent.
        signature: the `x-webhook-signature` that was sent.
    """

    time: float
    url: str
    event: str
    batch_id: str
    attempt: int
    status: int | None
    error: str | None
    body: bytes = field(repr=False)
    signature: str

    def json(self) -> Any:
        """Return the body, parsed as JSON."""
        return json.loads(self.body)


class Faults:
    """What shall go wrong; reached as `Emulator.faults`."""

    __slots__ = ("_server",)

    def __init__(self, core: _core.Emulator) -> None:
        self._server = core

    def add(
        self,
        endpoint: str,
        *,
        times: int | None = 1,
        batch_id: str | None = None,
        status: int | None = None,
        retry_after: float | str | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        delay: float | timedelta = 0.0,
        cut: Literal["before", "after", "mid"] | None = None,
        malformed: bool = False,
        slow_body: float | timedelta = 0.0,
        carry_out: bool | None = None,
    ) -> None:
        """Order a fault for the next requests to an endpoint.

        What is given is combined into one fault. Of several faults that fit a request the one
        added first strikes, alone; an endless one therefore hides those added after it.

        Args:
            endpoint: its path below the base URL: "getBatchResults", "uploadFiles",
                "documentClassification/getResults"; "*" for every request, unknown routes too.
            times: how many requests are struck; None: all until `clear`.
            batch_id: only requests that name this batch.
            status: the status of the answer, 200 to 599. A request that is answered with an error
                status is not carried out, see `carry_out`.
            retry_after: the answer's `Retry-After`: seconds, or text such as an HTTP date.
            headers: more headers of the answer; they replace those of the same name.
            body: the body of the answer, instead of its JSON.
            delay: seconds for which the answer is held back; the request is carried out before.
            cut: where the connection is closed: "before" the request is carried out, "after" it
                was, both without an answer; or in the "mid" of the answer's body.
            malformed: whether half of the answer's JSON is missing.
            slow_body: seconds over which the answer's body drips.
            carry_out: whether the request is carried out, where that shall differ from what
                `status` implies: True for a gateway's 502 after the service did the work.

        Raises:
            ValueError: no such endpoint, or a fault that cannot be or does nothing.
        """
        if times is not None and times < 1:
            raise ValueError("times must be at least 1, or None")
        if isinstance(retry_after, float) and retry_after.is_integer():
            retry_after = int(retry_after)
        self._server.add_fault(
            endpoint,
            times=times,
            batch_id=batch_id,
            status=status,
            retry_after=None if retry_after is None else str(retry_after),
            headers=list(headers.items()) if headers else [],
            body=body.encode() if isinstance(body, str) else body,
            delay=_seconds(delay),
            cut=cut,
            malformed=malformed,
            slow_body=_seconds(slow_body),
            carry_out=carry_out,
        )

    def pending(self) -> int:
        """Return how many requests are still to be struck; an endless fault counts as one."""
        return self._server.pending_faults()

    def clear(self) -> None:
        """Forget all faults."""
        self._server.clear_faults()


class Emulator:
    """An offline Extracta.ai service on 127.0.0.1.

    ```python
    with Emulator(polls_until_finished=2) as emulator:
        client = Client(api_key=emulator.api_key, base_url=emulator.base_url)
        ...
        assert [request.path for request in emulator.requests()] == ["/createExtraction", ...]
    ```

    A file's result follows its template: each field's `example`, or a value of its `type` that is
    the same for the same `seed` and file name. Ids follow the `seed` too. A batch is finished once
    `processing_time` has passed since its last upload and `polls_until_finished` looks at it were
    answered "waiting". A classification's `documentType` is the one whose
    `uniqueWords` are met most often in the file, else one that follows the `seed`.

    Args:
        port: the port on 127.0.0.1; 0 takes any that is free.
        api_key: the key that requests must carry.
        webhook_url: where finished batches are announced, an "http://" URL; a delivery that fails
            is repeated up to three times.
        webhook_secret: the secret that announcements are signed with.
        processing_time: seconds (or a timedelta) from an upload to its results.
        polls_until_finished: how many looks at a batch are answered "waiting": requests for its
            results, and views of its extraction where these show batches.
        show_batches: whether `viewExtraction` shows the extraction's batches; whether the vendor's
            does is not documented for certain.
        results: results instead of the default ones: a dict by file name, or a callable
            `(file_name, content, template)` that returns a dict, or None for the default. It is
            called from a thread of the emulator, which Python waits for at exit; `content` is at
            most the file's first 1 MiB. What it raises fails the file and is raised again by
            `stop`.
        fail_files: names of files whose processing fails.
        seed: any integer; equal seeds give equal ids and results.
        legacy_webhook: whether announcements are of the generation without `event`.

    Raises:
        ValueError: a negative time or count, or no such port.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        api_key: str = "test-key",
        webhook_url: str | None = None,
        webhook_secret: str = "E_AI_K_test",  # noqa: S107  a secret for tests only
        processing_time: float | timedelta = 0.0,
        polls_until_finished: int = 0,
        show_batches: bool = True,
        results: Results | None = None,
        fail_files: Iterable[str] = (),
        seed: int = 0,
        legacy_webhook: bool = False,
    ) -> None:
        if polls_until_finished < 0:
            raise ValueError("polls_until_finished must not be negative")
        if not 0 <= _seconds(processing_time) < float("inf"):
            raise ValueError("processing_time must be a number of seconds >= 0")
        if not 0 <= port < 2**16:
            raise ValueError("port must be from 0 to 65535")
        self._port = port
        self._api_key = api_key
        self._webhook_url = webhook_url
        self._webhook_secret = webhook_secret
        self._processing_time = _seconds(processing_time)
        self._polls_until_finished = polls_until_finished
        self._show_batches = show_batches
        self._results = results
        self._fail_files = [fail_files] if isinstance(fail_files, str) else list(fail_files)
        self._seed = seed
        self._legacy_webhook = legacy_webhook
        self._started: _core.Emulator | None = None

    @property
    def api_key(self) -> str:
        """The key that requests must carry."""
        return self._api_key

    @property
    def webhook_secret(self) -> str:
        """The secret that announcements are signed with."""
        return self._webhook_secret

    @property
    def base_url(self) -> str:
        """The URL to give to a client: "http://127.0.0.1:PORT/api/v1".

        Raises:
            RuntimeError: the emulator was never started.
        """
        return self._server.base_url

    @property
    def faults(self) -> Faults:
        """What shall go wrong.

        Raises:
            RuntimeError: the emulator was never started.
        """
        return Faults(self._server)

    @property
    def _server(self) -> _core.Emulator:
        if self._started is None:
            raise RuntimeError("the emulator was not started: use it in a `with`, or call start()")
        return self._started

    def start(self) -> Self:
        """Start the server; once stopped it may be started anew, without its old state.

        Returns:
            The emulator itself.

        Raises:
            RuntimeError: it is running.
            ValueError: a webhook URL or secret that cannot be used.
            OSError: the system gives no port or no thread.
        """
        if self._started is not None and not self._started.is_stopped():
            raise RuntimeError("the emulator is running")
        self._started = _core.Emulator(
            port=self._port,
            api_key=self._api_key,
            webhook_url=self._webhook_url,
            webhook_secret=self._webhook_secret,
            processing_time=self._processing_time,
            polls_until_finished=self._polls_until_finished,
            show_batches=self._show_batches,
            fail_files=self._fail_files,
            seed=self._seed % 2**64,
            legacy_webhook=self._legacy_webhook,
            results=self._results,
        )
        _running.add(self)
        return self

    def stop(self) -> None:
        """Stop the server, within a second. What it recorded stays; a second call does nothing.

        Raises:
            BaseException: the first that `results` raised, with a note if there were more.
        """
        errors = self._stop()
        if errors:
            if len(errors) > 1:
                errors[0].add_note(f"results raised {len(errors) - 1} more errors")
            raise errors[0]

    def _stop(self) -> list[BaseException]:
        _running.discard(self)
        if self._started is None:
            return []
        self._started.stop()
        return self._started.take_errors()

    def requests(self) -> list[Request]:
        """Return the requests so far, in the order of their arrival (at most the last 200,000).

        Raises:
            RuntimeError: the emulator was never started, or runs in the parent process.
        """
        return [
            Request(**{**item, "parts": [Part(**part) for part in item["parts"]]})
            for item in self._server.requests()
        ]

    def deliveries(self) -> list[Delivery]:
        """Return the attempts to deliver webhooks so far, in the order in which they ended.

        Raises:
            RuntimeError: the emulator was never started, or runs in the parent process.
        """
        return [Delivery(**item) for item in self._server.deliveries()]

    def wait_for_deliveries(
        self, count: int = 1, timeout: float | timedelta = 10.0
    ) -> list[Delivery]:
        """Wait until there were `count` attempts to deliver webhooks, failed ones included.

        Args:
            count: how many there shall be since the start.
            timeout: seconds to wait.

        Returns:
            All deliveries so far.

        Raises:
            TimeoutError: there were fewer when the time was over or the emulator stopped.
            RuntimeError: the emulator was never started, or runs in the parent process.
        """
        if not self._server.wait_for_deliveries(count, _seconds(timeout)):
            found = len(self.deliveries())
            raise TimeoutError(f"{found} of {count} webhook deliveries within {timeout} s")
        return self.deliveries()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.stop()
        else:
            # The test's own error must stay the one that is seen.
            for raised in self._stop():
                error.add_note(f"the emulator's results raised {raised!r}")

    def __repr__(self) -> str:
        if self._started is None:
            return "<Emulator, not started>"
        state = "stopped" if self._started.is_stopped() else "running"
        return f"<Emulator {self._started.base_url}, {state}>"


_running: weakref.WeakSet[Emulator] = weakref.WeakSet()


@atexit.register
def _at_exit() -> None:
    # Threads that call Python must not outlive the interpreter.
    for emulator in list(_running):
        emulator._stop()
    _core.finish_emulator_calls()


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
