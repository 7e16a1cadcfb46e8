"""The asyncio face: the same names, arguments, results and errors as the blocking one.

Cancelling a task ends the work in Rust. A client may serve several event loops, one after another.
"""

from ._batch import AsyncBatch
from ._classifications import AsyncClassifications
from ._client import AsyncClient
from ._extractions import AsyncExtractions

__all__ = ["AsyncBatch", "AsyncClassifications", "AsyncClient", "AsyncExtractions"]
