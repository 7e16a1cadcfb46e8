"""The blocking face. Each method says what to do; how is in Rust, once for both faces."""

from ._batch import Batch
from ._classifications import Classifications
from ._client import Client
from ._extractions import Extractions

__all__ = ["Batch", "Classifications", "Client", "Extractions"]
