"""Everything that `extracta_rs` raises of its own.

```
ExtractaError
├── ConfigurationError (also ValueError)    a client cannot be built like this
├── ClientClosedError (also RuntimeError)   the client was closed, or Python is shutting down
├── APIError                                the service answered with an error status
│   ├── BadRequestError                     400, 422
│   ├── AuthenticationError                 401
│   ├── PermissionDeniedError               403
│   ├── NotFoundError                       404
│   ├── RateLimitError                      429
│   └── ServerError                         5xx
├── APIConnectionError                      no answer came
│   └── APITimeoutError (also TimeoutError) no answer came in time
├── ResponseFormatError                     an answer that is not what the API promises
├── UploadOutcomeUnknownError               an upload that may or may not have been carried out
├── WaitTimeoutError (also TimeoutError)    a batch was not finished by the deadline
├── JournalError                            a journal that cannot be read or written
├── RunIncompleteError                      a run has ended, some documents have no results
├── ParseError                              results that cannot be read as a type of yours
├── BatchFailedError                        raised by `BatchResults.raise_for_failures`
├── SignatureVerificationError              a webhook that was not signed with the secret
└── WebhookPayloadError                     a signed webhook that has not the shape of an event
```

Bad arguments raise what Python itself would: `ValueError`, `TypeError`, `FileNotFoundError`,
`IsADirectoryError`. Every error here can be pickled. None holds the API key or a secret.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._parse import ParsedResults, ParseProblem
    from .models import BatchResults, UnfinishedDocument

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "BatchFailedError",
    "ClientClosedError",
    "ConfigurationError",
    "ExtractaError",
    "JournalError",
    "NotFoundError",
    "ParseError",
    "PermissionDeniedError",
    "RateLimitError",
    "ResponseFormatError",
    "RunIncompleteError",
    "ServerError",
    "SignatureVerificationError",
    "UploadOutcomeUnknownError",
    "WaitTimeoutError",
    "WebhookPayloadError",
]


class ExtractaError(Exception):
    """The root of every error that this package raises of its own."""


class ConfigurationError(ExtractaError, ValueError):
    """A client cannot be built from these settings; the message names the setting."""


class ClientClosedError(ExtractaError, RuntimeError):
    """The client was closed, or the interpreter is shutting down."""


class APIError(ExtractaError):
    """The service answered with an error status.

    Attributes:
        status_code: the HTTP status.
        message: what the service said (`message` or `error` of its JSON), or the status' name.
        body: the first 2,048 bytes of the answer, decoded as UTF-8 with replacements.
        method: the HTTP method of the request.
        path: the path of the request, below the base URL.
        retry_after: seconds that the service asked to wait (`Retry-After`), or None.
    """

    def __init__(
        self,
        text: str = "",
        *,
        status_code: int = 0,
        message: str = "",
        body: str = "",
        method: str = "",
        path: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.status_code = status_code
        self.message = message
        self.body = body
        self.method = method
        self.path = path
        self.retry_after = retry_after


class BadRequestError(APIError):
    """400 or 422: the service refused the request as it was sent."""


class AuthenticationError(APIError):
    """401: the API key is missing, wrong or revoked."""


class PermissionDeniedError(APIError):
    """403: the API key may not do this."""


class NotFoundError(APIError):
    """404: no such extraction, classification, batch or file."""


class RateLimitError(APIError):
    """429: too many requests; `retry_after` tells how long to wait, where the service said so."""


class ServerError(APIError):
    """5xx: the service failed."""


class APIConnectionError(ExtractaError):
    """No answer came: the connection could not be made, or broke.

    Attributes:
        method: the HTTP method of the request.
        path: the path of the request, below the base URL.
        request_sent: False where the request surely never reached the service.
    """

    def __init__(
        self, text: str = "", *, method: str = "", path: str = "", request_sent: bool = True
    ) -> None:
        super().__init__(text)
        self.method = method
        self.path = path
        self.request_sent = request_sent


class APITimeoutError(APIConnectionError, TimeoutError):
    """No answer came within `timeout` or `connect_timeout`."""


class ResponseFormatError(ExtractaError):
    """An answer that is not what the API promises.

    Attributes:
        status_code: the HTTP status.
        body: the first 2,048 bytes of the answer, decoded as UTF-8 with replacements.
        method: the HTTP method of the request.
        path: the path of the request, below the base URL.
    """

    def __init__(
        self,
        text: str = "",
        *,
        status_code: int = 0,
        body: str = "",
        method: str = "",
        path: str = "",
    ) -> None:
        super().__init__(text)
        self.status_code = status_code
        self.body = body
        self.method = method
        self.path = path


class UploadOutcomeUnknownError(ExtractaError):
    """An upload whose answer was lost: the files may be in processing, and paid, or not.

    Nothing was sent a second time. Look at `client.extractions.view(extraction_id)` (its
    `batches`) or at the vendor's dashboard before you upload the files again.

    Attributes:
        file_names: the names of the files, in the order in which they were sent.
        sha256: for each file the hexadecimal SHA-256 of its content, or None where it could not
            be read again.
        extraction_id: the extraction that they were sent to, or None.
        classification_id: the classification that they were sent to, or None.
        batch_id: the batch that they were to be added to, or None for a new one.
        retry_after: seconds after which `submit` with the same label may find out, or None.
    """

    def __init__(
        self,
        text: str = "",
        *,
        file_names: list[str] | None = None,
        sha256: list[str | None] | None = None,
        extraction_id: str | None = None,
        classification_id: str | None = None,
        batch_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text)
        self.file_names = file_names or []
        self.sha256 = sha256 or []
        self.extraction_id = extraction_id
        self.classification_id = classification_id
        self.batch_id = batch_id
        self.retry_after = retry_after


class WaitTimeoutError(ExtractaError, TimeoutError):
    """A batch was not finished by the deadline. It goes on at the service: nothing is lost.

    Attributes:
        token: give it to `client.resume(token)` to go on waiting, in any process.
        last_results: the last answer that came, or None where none did.
    """

    def __init__(
        self, text: str = "", *, token: str = "", last_results: BatchResults | None = None
    ) -> None:
        super().__init__(text)
        self.token = token
        self.last_results = last_results


class JournalError(ExtractaError):
    """A journal that cannot be opened, read or written: no such file, damaged, disk full, ...

    Each step is written whole or not at all; once the cause is removed the next run goes on.

    Attributes:
        journal: the file's path.
    """

    def __init__(self, text: str = "", *, journal: str = "") -> None:
        super().__init__(text)
        self.journal = journal


class RunIncompleteError(ExtractaError):
    """A run has handed over all results that there are; some documents have none.

    Attributes:
        unknown: documents that may have been uploaded, and paid: the answer was lost, and what
            the service shows does not tell. Nothing was sent again. Look for them in the vendor's
            dashboard; where they are not, `Journal.retry(unknown=True)` frees them.
        failed: documents that were surely not uploaded (unreadable, refused by the service), or
            whose batch is gone. The next run tries those again that were not uploaded.
        timed_out: whether the run's `timeout` passed; then other documents are still in
            processing, or waiting for their upload: run again with the same journal.
    """

    def __init__(
        self,
        text: str = "",
        *,
        unknown: list[UnfinishedDocument] | None = None,
        failed: list[UnfinishedDocument] | None = None,
        timed_out: bool = False,
    ) -> None:
        super().__init__(text)
        self.unknown = unknown or []
        self.failed = failed or []
        self.timed_out = timed_out


class BatchFailedError(ExtractaError):
    """Files of a batch failed.

    Attributes:
        results: the batch's results, the processed files among them.
    """

    def __init__(self, text: str = "", *, results: BatchResults | None = None) -> None:
        super().__init__(text)
        self.results = results


class ParseError(ExtractaError):
    """Results that cannot be read as a type of yours. Nothing is lost: the results are here.

    Attributes:
        problems: each value that cannot be read: file, path, value and reason.
        parsed: all files of the batch, with `data` where a file could be read; None where one
            file alone was parsed. `parsed.results` has the results as they came.
    """

    def __init__(
        self,
        text: str = "",
        *,
        problems: list[ParseProblem] | None = None,
        parsed: ParsedResults[Any] | None = None,
    ) -> None:
        super().__init__(text)
        self.problems = problems or []
        self.parsed = parsed


class SignatureVerificationError(ExtractaError):
    """A webhook delivery was not signed with the secret.

    Attributes:
        reason: why, in a word or two that a program can compare.
    """

    def __init__(self, text: str = "", *, reason: str = "") -> None:
        super().__init__(text)
        self.reason = reason


class WebhookPayloadError(ExtractaError):
    """A webhook delivery whose signature holds, but which has not the shape of an event."""
