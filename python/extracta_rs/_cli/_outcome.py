"""How a command can end: its exit codes, and the error that ends it with one of them."""

from __future__ import annotations

FAILED, USAGE, TIMED_OUT, INTERRUPTED = 1, 2, 4, 130

EXIT_CODES = """\b
Exit codes:
    0  done
    1  the service, the network or a check failed
    2  wrong usage or configuration, or the `cli` extra is missing
    4  the batch was not finished in time; it goes on at the service
  130  interrupted with Ctrl-C
"""


class CommandError(Exception):
    """Ends the command with one line and an exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
