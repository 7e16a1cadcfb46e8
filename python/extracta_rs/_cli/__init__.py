"""The command line, `extracta-rs`. It needs the `cli` extra and says so where that is missing."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line with the arguments of this process and return the exit code."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401

        from ._app import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "rich"):
            raise
        sys.stderr.write(
            f"extracta-rs: the command line needs {missing}: "
            'run pip install "extracta_rs[cli]" and try again\n'
        )
        return 2
    except KeyboardInterrupt:
        return 130
    return run()
