"""The client for the Extracta.ai document extraction API.

`Client` blocks, `AsyncClient` is for asyncio; both have the same names, arguments, results and
errors. `verify_signature` and `unwrap` check webhooks and need no client. `extracta_rs.testing`
has an offline server of the same API.

What is named here is imported when it is first used (PEP 562), so that importing the package costs
a process that does not use it next to nothing.
"""

from __future__ import annotations

from importlib import import_module

from ._core import __version__
from .exceptions import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    BatchFailedError,
    ClientClosedError,
    ConfigurationError,
    ExtractaError,
    JournalError,
    NotFoundError,
    ParseError,
    PermissionDeniedError,
    RateLimitError,
    ResponseFormatError,
    RunIncompleteError,
    ServerError,
    SignatureVerificationError,
    UploadOutcomeUnknownError,
    WaitTimeoutError,
    WebhookPayloadError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._async import AsyncBatch, AsyncClassifications, AsyncClient, AsyncExtractions
    from ._bar import ProgressBar, progress_bar
    from ._default import (
        check,
        check_async,
        fetch,
        fetch_async,
        get_batch_results,
        get_batch_results_async,
        poll_batch,
        poll_batch_async,
        submit,
        submit_async,
        upload_files,
        upload_files_async,
    )
    from ._engine import Status, original_name
    from ._limiter import Limiter
    from ._observe import ClientStats, RequestEvent, ResponseEvent
    from ._options import Timeout
    from ._parse import ParsedFile, ParsedResults, ParseProblem
    from ._schemas import fields_from
    from ._sync import Batch, Classifications, Client, Extractions
    from .journal import Journal, JournalDocument
    from .models import (
        BatchRef,
        BatchResults,
        Classification,
        Extraction,
        FileInput,
        FileResult,
        RunDocument,
        RunResults,
        UnfinishedDocument,
        UploadedFile,
        UploadFile,
    )
    from .webhooks import (
        SIGNATURE_HEADER,
        SignatureReport,
        WebhookEvent,
        explain_signature,
        sign,
        unwrap,
        verify_signature,
    )

__all__ = [
    "SIGNATURE_HEADER",
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AsyncBatch",
    "AsyncClassifications",
    "AsyncClient",
    "AsyncExtractions",
    "AuthenticationError",
    "BadRequestError",
    "Batch",
    "BatchFailedError",
    "BatchRef",
    "BatchResults",
    "Classification",
    "Classifications",
    "Client",
    "ClientClosedError",
    "ClientStats",
    "ConfigurationError",
    "ExtractaError",
    "Extraction",
    "Extractions",
    "FileInput",
    "FileResult",
    "Journal",
    "JournalDocument",
    "JournalError",
    "Limiter",
    "NotFoundError",
    "ParseError",
    "ParseProblem",
    "ParsedFile",
    "ParsedResults",
    "PermissionDeniedError",
    "ProgressBar",
    "RateLimitError",
    "RequestEvent",
    "ResponseEvent",
    "ResponseFormatError",
    "RunDocument",
    "RunIncompleteError",
    "RunResults",
    "ServerError",
    "SignatureReport",
    "SignatureVerificationError",
    "Status",
    "Timeout",
    "UnfinishedDocument",
    "UploadFile",
    "UploadOutcomeUnknownError",
    "UploadedFile",
    "WaitTimeoutError",
    "WebhookEvent",
    "WebhookPayloadError",
    "__version__",
    "check",
    "check_async",
    "explain_signature",
    "fetch",
    "fetch_async",
    "fields_from",
    "get_batch_results",
    "get_batch_results_async",
    "original_name",
    "poll_batch",
    "poll_batch_async",
    "progress_bar",
    "sign",
    "submit",
    "submit_async",
    "unwrap",
    "upload_files",
    "upload_files_async",
    "verify_signature",
]

_HOMES = {
    "_async": ("AsyncBatch", "AsyncClassifications", "AsyncClient", "AsyncExtractions"),
    "_bar": ("ProgressBar", "progress_bar"),
    "_default": (
        "check",
        "check_async",
        "fetch",
        "fetch_async",
        "get_batch_results",
        "get_batch_results_async",
        "poll_batch",
        "poll_batch_async",
        "submit",
        "submit_async",
        "upload_files",
        "upload_files_async",
    ),
    "_engine": ("Status", "original_name"),
    "_limiter": ("Limiter",),
    "_observe": ("ClientStats", "RequestEvent", "ResponseEvent"),
    "_options": ("Timeout",),
    "_parse": ("ParseProblem", "ParsedFile", "ParsedResults"),
    "_schemas": ("fields_from",),
    "_sync": ("Batch", "Classifications", "Client", "Extractions"),
    "journal": ("Journal", "JournalDocument"),
    "models": (
        "BatchRef",
        "BatchResults",
        "Classification",
        "Extraction",
        "FileInput",
        "FileResult",
        "RunDocument",
        "RunResults",
        "UnfinishedDocument",
        "UploadFile",
        "UploadedFile",
    ),
    "webhooks": (
        "SIGNATURE_HEADER",
        "SignatureReport",
        "WebhookEvent",
        "explain_signature",
        "sign",
        "unwrap",
        "verify_signature",
    ),
}


def __getattr__(name: str) -> object:
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
