"""How a command can end: its exit codes, and the error that ends it with one of them."""

from __future__ import annotations

DONE, FAILED, USAGE, INCOMPLETE, TIMED_OUT, INTERRUPTED, CLOSED = 0, 1, 2, 3, 4, 130, 141

MEANINGS = {
    DONE: "done",
    FAILED: "the service, the network, a disk or a check failed",
    USAGE: "wrong usage or configuration, or the `cli` extra is missing",
    INCOMPLETE: "it ended, but documents failed, were refused, or may be uploaded",
    TIMED_OUT: "not finished in time; it goes on at the service",
    INTERRUPTED: "interrupted with Ctrl-C",
    CLOSED: "who read the output has closed it, as `| head` does",
}

EXIT_CODES = "\b\nExit codes:\n" + "".join(
    f"  {code:>3}  {meaning}\n" for code, meaning in MEANINGS.items()
)


class CommandError(Exception):
    """Ends the command with one line and an exit code."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class OutputClosedError(Exception):
    """Ends the command in silence: nobody reads what it prints."""
