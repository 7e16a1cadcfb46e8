"""Where results go: a folder with one JSON file for each batch."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from .. import _core

if TYPE_CHECKING:
    from ..models import BatchRef, BatchResults

__all__ = ["Folder"]


class Folder:
    """Keeps the results of each batch as one JSON file: `<extraction id>/<batch id>.json`.

    The file is the service's answer (`BatchResults.to_dict()`). It appears whole or not at all, is
    on the disk before the task ends, and the first one stays: of two workers that store the same
    batch at once one does. What a killed worker leaves are files that begin with a dot and end in
    `.tmp`; they may be removed.

    Args:
        path: the folder; it is made with the first results. Workers on several machines need
            a shared one that knows hard links (NFS does).

    Example:
        >>> results = Folder("results")
        >>> token in results
        True
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()

    def path(self, batch: str | BatchRef) -> Path:
        """Return the file of a batch, which may not be there yet.

        Args:
            batch: a batch, or its token.

        Raises:
            ValueError: that is no token of a batch.
        """
        token = batch if isinstance(batch, str) else batch.token()
        _, resource_id, batch_id = _core.read_batch_token(token)
        return self._path / _name(resource_id) / f"{_name(batch_id)}.json"

    def __contains__(self, batch: str | BatchRef) -> bool:
        return self.path(batch).exists()

    def __call__(self, results: BatchResults) -> None:
        """Store the results of a batch, unless they are there.

        Args:
            results: what the service answered.

        Raises:
            OSError: the file cannot be written.
        """
        path = self.path(results.batch)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            with draft.open("x", encoding="utf-8") as file:
                json.dump(results.to_dict(), file)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft)
        finally:
            draft.unlink(missing_ok=True)
        _sync(path.parent)

    def __repr__(self) -> str:
        return f"Folder({str(self._path)!r})"


def _name(service_id: str) -> str:
    """Return an id of the service as a file name that cannot lead elsewhere."""
    return quote(service_id, safe="").replace(".", "%2E")


def _sync(folder: Path) -> None:
    # Windows cannot open folders.
    if hasattr(os, "O_DIRECTORY"):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
