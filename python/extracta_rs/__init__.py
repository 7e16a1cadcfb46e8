"""The client for the Extracta.ai document extraction API.

`Client` blocks, `AsyncClient` is for asyncio; both have the same names, arguments, results and
errors. `verify_signature` and `unwrap` check webhooks and need no client. `extracta_rs.testing`
has an offline server of the same API.
"""

from __future__ import annotations

from ._async import AsyncBatch, AsyncClassifications, AsyncClient, AsyncExtractions
from ._core import __version__
from ._default import (
    get_batch_results,
    get_batch_results_async,
    poll_batch,
    poll_batch_async,
    upload_files,
    upload_files_async,
)
from ._sync import Batch, Classifications, Client, Extractions
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
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    SignatureVerificationError,
    UploadOutcomeUnknownError,
    WaitTimeoutError,
    WebhookPayloadError,
)
from .models import (
    BatchRef,
    BatchResults,
    Classification,
    Extraction,
    FileInput,
    FileResult,
    UploadedFile,
    UploadFile,
)
from .webhooks import SIGNATURE_HEADER, WebhookEvent, sign, unwrap, verify_signature

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
    "ConfigurationError",
    "ExtractaError",
    "Extraction",
    "Extractions",
    "FileInput",
    "FileResult",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseFormatError",
    "ServerError",
    "SignatureVerificationError",
    "UploadFile",
    "UploadOutcomeUnknownError",
    "UploadedFile",
    "WaitTimeoutError",
    "WebhookEvent",
    "WebhookPayloadError",
    "__version__",
    "get_batch_results",
    "get_batch_results_async",
    "poll_batch",
    "poll_batch_async",
    "sign",
    "unwrap",
    "upload_files",
    "upload_files_async",
    "verify_signature",
]
