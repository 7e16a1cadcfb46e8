"""What the trigger tells the operator and the sensor."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from extracta_rs import WaitTimeoutError


def finished(event: dict[str, Any]) -> dict[str, Any]:
    """Return the ids of a trigger's event.

    Raises:
        WaitTimeoutError: the batch was not finished in time.
        AirflowException: the service, or the connection, refused to tell.
    """
    told = dict(event)
    outcome = told.pop("outcome")
    if outcome == "timeout":
        why = f" (the service could not be asked: {told['problem']})" if told["problem"] else ""
        raise WaitTimeoutError(
            f"the batch is not finished{why}; it goes on at the service, and a retry waits for it: "
            f"{told['token']}",
            token=told["token"],
        )
    if outcome == "error":
        raise AirflowException(told["error"])
    return told


def seconds(name: str, value: float | timedelta) -> float:
    """Return a span of time in seconds.

    Raises:
        TypeError: it is neither a number nor a timedelta.
        ValueError: it is not positive.
    """
    given = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError(f"{name} must be seconds or a timedelta, not {type(value).__name__}")
    if not (math.isfinite(given) and given > 0):
        raise ValueError(f"{name} must be more than 0 seconds, not {value!r}")
    return float(given)
