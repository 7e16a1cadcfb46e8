"""The native module: a thin binding over the Rust core. Private: use `extracta_rs`."""

import os
from collections.abc import Awaitable, Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import (
    Any,
    ClassVar,
    Generic,
    Literal,
    Protocol,
    TypeVar,
    final,
    overload,
    type_check_only,
)

from ._engine import Checked
from ._lenient import DecimalMark
from ._observe import RequestEvent, ResponseEvent
from ._options import CallOptions
from .journal import DocumentState
from .models import BatchRef, BatchResults, Classification, Extraction, FileInput, RunResults
from .webhooks import SignatureReason

_T = TypeVar("_T")
_Options = tuple[float | None, float, float, float]

__all__ = [
    "VENDOR_BASE_URL",
    "Answer",
    "Call",
    "Client",
    "Emulator",
    "FileResult",
    "Journal",
    "RunMany",
    "Unwrapped",
    "WaitMany",
    "__version__",
    "batch_token",
    "check",
    "check_wait",
    "explain_signature",
    "fetch",
    "finish_emulator_calls",
    "original_name",
    "read_batch_token",
    "sign",
    "stringify",
    "submit",
    "unwrap_webhook",
    "verify_signature",
]

__version__: str
VENDOR_BASE_URL: str

@type_check_only
class Tracer(Protocol):
    def context(self) -> Any: ...
    def start(
        self,
        call: tuple[Any, int, str, str, str],
        server: tuple[str, str, int, int],
        /,
    ) -> tuple[Any, list[tuple[str, str]]] | None: ...
    def end(self, span: Any, time: int, status: int | None, error: str | None, /) -> None: ...

@final
class Call(Awaitable[_T], Generic[_T]):
    def wait(self) -> _T: ...
    def __await__(self) -> Generator[Any, Any, _T]: ...

@final
class Unwrapped:
    def __new__(
        cls,
        raw: bytes,
        signed: tuple[int, int],
        event: tuple[int, int] | None,
        rebuilt: bytes | None,
    ) -> Unwrapped: ...
    def __getnewargs__(
        self,
    ) -> tuple[bytes, tuple[int, int], tuple[int, int] | None, bytes | None]: ...
    @property
    def raw(self) -> bytes: ...
    def event(self) -> str | None: ...
    def data(self) -> dict[str, Any]: ...
    def result(self) -> list[dict[str, Any]]: ...
    def files(self) -> list[FileResult]: ...
    def dedupe_keys(self) -> list[str]: ...

@final
class Answer:
    def __new__(cls, data: dict[str, Any]) -> Answer: ...
    def __getnewargs__(self) -> tuple[dict[str, Any]]: ...
    @property
    def status(self) -> str | None: ...
    def files(self) -> list[FileResult]: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class FileResult:
    def __new__(cls, data: dict[str, Any]) -> FileResult: ...
    def __getnewargs__(self) -> tuple[dict[str, Any]]: ...
    @property
    def file_id(self) -> str | None: ...
    @property
    def file_name(self) -> str | None: ...
    @property
    def status(self) -> str | None: ...
    @property
    def result(self) -> dict[str, Any]: ...
    @property
    def url(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def extraction(self) -> BatchRef | None: ...
    @property
    def extraction_id(self) -> str | None: ...
    @property
    def classification_id(self) -> str | None: ...
    @property
    def batch_id(self) -> str | None: ...
    def parse(
        self,
        model: type[_T],
        *,
        decimal: DecimalMark | None = None,
        day_first: bool | None = None,
    ) -> _T: ...
    def _repr_html_(self) -> str: ...
    def to_dict(self) -> dict[str, Any]: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class WaitMany:
    def add(self, batches: list[tuple[str, str, str]]) -> None: ...
    def finish(self) -> None: ...
    def stop(self) -> None: ...
    def next(self) -> Call[BatchResults | None]: ...

@final
class RunMany:
    def next(self) -> Call[RunResults | None]: ...
    def progress(self) -> tuple[int, int, int, int]: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...

@final
class Journal:
    def __new__(cls, path: str | os.PathLike[str], create: bool) -> Journal: ...
    @property
    def path(self) -> Path: ...
    def close(self) -> None: ...
    def counts(self) -> list[tuple[DocumentState, int]]: ...
    def documents(
        self, after: int, limit: int
    ) -> list[
        tuple[
            int,
            str,
            str,
            int,
            str | None,
            Literal["extraction", "classification"],
            str,
            DocumentState,
            str | None,
            str | None,
        ]
    ]: ...
    def finished(
        self, after: int, limit: int
    ) -> list[tuple[int, Literal["extraction", "classification"], str, str]]: ...
    def results(self, row: int, kind: str, resource_id: str, batch_id: str) -> RunResults: ...
    def raw_results(self, row: int) -> bytes | None: ...
    def template(self, digest: str) -> str | None: ...
    def keep_template(self, digest: str, extraction_id: str) -> str: ...
    def retry_unknown(self) -> int: ...
    def retry_document(self, document: int, batch_id: str) -> bool: ...
    def check(self) -> None: ...

@final
class Client:
    def __new__(
        cls,
        *,
        api_key: str,
        base_url: str,
        options: CallOptions,
        min_poll_spacing: float,
        max_connections: int,
        proxy: str | None,
        ca_bundle: str | os.PathLike[str] | None,
        user_agent: str | None,
        allow_insecure_http: bool,
        asyncio: bool,
        on_request: Callable[[RequestEvent], object] | None,
        on_response: Callable[[ResponseEvent], object] | None,
    ) -> Client: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def with_options(self, options: CallOptions) -> Client: ...
    def set_tracer(self, tracer: Tracer | None) -> None: ...
    def stats(self) -> dict[str, Any]: ...
    def credits(self) -> Call[int]: ...
    @overload
    def create(self, kind: Literal["extraction"], details: dict[str, Any]) -> Call[Extraction]: ...
    @overload
    def create(
        self, kind: Literal["classification"], details: dict[str, Any]
    ) -> Call[Classification]: ...
    @overload
    def view(self, kind: Literal["extraction"], resource_id: str) -> Call[Extraction]: ...
    @overload
    def view(self, kind: Literal["classification"], resource_id: str) -> Call[Classification]: ...
    @overload
    def update(
        self, kind: Literal["extraction"], resource_id: str, details: dict[str, Any]
    ) -> Call[Extraction]: ...
    @overload
    def update(
        self, kind: Literal["classification"], resource_id: str, details: dict[str, Any]
    ) -> Call[Classification]: ...
    def delete(self, kind: str, resource_id: str) -> Call[None]: ...
    def delete_batch(self, kind: str, resource_id: str, batch_id: str) -> Call[None]: ...
    def delete_files(
        self, kind: str, resource_id: str, batch_id: str, file_ids: list[str]
    ) -> Call[None]: ...
    def upload(
        self,
        kind: str,
        resource_id: str,
        files: FileInput | Iterable[FileInput],
        batch_id: str | None,
        on_progress: Callable[[int, int | None], object] | None,
    ) -> Call[tuple[dict[str, Any], str]]: ...
    def results(
        self, kind: str, resource_id: str, batch_id: str, file_id: str | None
    ) -> Call[BatchResults]: ...
    def wait(
        self,
        kind: str,
        resource_id: str,
        batch_id: str,
        options: _Options,
        on_progress: Callable[[BatchResults], object] | None,
    ) -> Call[BatchResults]: ...
    def deliver(self, unwrapped: Unwrapped) -> int: ...
    def wait_many(self, batches: list[tuple[str, str, str]], options: _Options) -> WaitMany: ...
    def run_many(
        self,
        kind: str,
        resource_id: str,
        files: FileInput | Iterable[FileInput],
        journal: Journal,
        concurrency: int,
        max_files_per_batch: int,
        settle_time: float,
        options: _Options,
    ) -> RunMany: ...

def submit(
    client: Client,
    kind: str,
    resource_id: str,
    files: FileInput | Iterable[FileInput],
    label: str | None,
    journal: Journal | None,
    first_try: bool,
    settle_time: float,
    timeout: float | None,
) -> Call[str]: ...
def check(
    client: Client,
    kind: str,
    resource_id: str,
    batch_id: str,
    waited: float,
    max_wait: float,
) -> Call[Checked]: ...
def fetch(client: Client, kind: str, resource_id: str, batch_id: str) -> Call[BatchResults]: ...
def original_name(name: str) -> str: ...
def check_wait(options: _Options, on_progress: Callable[..., object] | None) -> None: ...
def batch_token(kind: str, resource_id: str, batch_id: str) -> str: ...
def read_batch_token(token: str) -> tuple[str, str, str]: ...
def verify_signature(
    body: bytes | bytearray | memoryview | str,
    header: str | bytes | None,
    secret: str | bytes | Sequence[str | bytes],
) -> bool: ...
def explain_signature(
    body: bytes | bytearray | memoryview | str,
    header: str | bytes | None,
    secret: str | bytes | Sequence[str | bytes],
) -> tuple[Literal["raw", "canonical"] | None, int | None, SignatureReason, str]: ...
def sign(body: bytes | bytearray | memoryview | str, secret: str | bytes) -> str: ...
def stringify(body: bytes) -> bytes: ...
def unwrap_webhook(
    body: bytes | bytearray | memoryview | str,
    header: str | bytes | None,
    secret: str | bytes | Sequence[str | bytes],
) -> Unwrapped: ...
def finish_emulator_calls() -> None: ...

@final
class Emulator:
    def __new__(
        cls,
        *,
        port: int,
        api_key: str,
        webhook_url: str | None,
        webhook_secret: str,
        processing_time: float,
        polls_until_finished: int,
        show_batches: bool,
        fail_files: list[str],
        seed: int,
        legacy_webhook: bool,
        results: Any,
    ) -> Emulator: ...
    @property
    def base_url(self) -> str: ...
    def stop(self) -> None: ...
    def is_stopped(self) -> bool: ...
    def take_errors(self) -> list[BaseException]: ...
    def requests(self) -> list[dict[str, Any]]: ...
    def requests_from(self, number: int) -> tuple[int, list[dict[str, Any]]]: ...
    def deliveries(self) -> list[dict[str, Any]]: ...
    def wait_for_deliveries(self, count: int, timeout: float) -> bool: ...
    def add_fault(
        self,
        endpoint: str,
        *,
        times: int | None,
        batch_id: str | None,
        status: int | None,
        retry_after: str | None,
        headers: list[tuple[str, str]],
        body: bytes | None,
        delay: float,
        cut: str | None,
        malformed: bool,
        slow_body: float,
        carry_out: bool | None,
    ) -> None: ...
    def pending_faults(self) -> int: ...
    def clear_faults(self) -> None: ...
