"""What tests of programs that use Extracta.ai need, all of it offline.

`Emulator` is a service of one's own, `record` and `replay` keep a session with the real one, and
`sign_delivery` makes a webhook delivery for a test client. The pytest plugin has fixtures of them.
"""

from __future__ import annotations

from ._cassettes import Cassette, CassetteMode, cassette, record, replay
from ._deliver import DeliveredFiles, Generation, SignedDelivery, sign_delivery
from ._emulator import Delivery, Emulator, Faults, Part, Request, Results
from ._format import CassetteError, CassetteMismatchError
from ._scrub import Scrub

__all__ = [
    "Cassette",
    "CassetteError",
    "CassetteMismatchError",
    "CassetteMode",
    "DeliveredFiles",
    "Delivery",
    "Emulator",
    "Faults",
    "Generation",
    "Part",
    "Request",
    "Results",
    "Scrub",
    "SignedDelivery",
    "cassette",
    "record",
    "replay",
    "sign_delivery",
]
