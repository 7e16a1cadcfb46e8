"""What becomes of results: a file, and a few ids for XCom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from extracta_rs import original_name

if TYPE_CHECKING:
    from extracta_rs import BatchResults

__all__ = ["is_there", "store", "summary"]


def summary(token: str, results: BatchResults, results_path: str | None) -> dict[str, Any]:
    """Return what goes into XCom: ids and counts, no result.

    Args:
        token: the batch; `extracta_rs.Client.fetch` takes it.
        results: its results.
        results_path: where they were written, or None.
    """
    return {
        "token": token,
        "extraction_id": results.extraction_id,
        "classification_id": results.classification_id,
        "batch_id": results.batch_id,
        "files": len(results.files),
        "failed": len(results.failed),
        "results_path": results_path,
    }


def store(results: BatchResults, folder: str) -> str:
    """Write results as JSON to `<folder>/<batch id>.json` and return that path.

    It is the vendor's JSON; only the files have the names that they had before the upload. A
    second call writes the same file again. Blocks.

    Args:
        results: what to write.
        folder: a local path, or a URL that `airflow.sdk.ObjectStoragePath` takes.

    Raises:
        OSError: it cannot be written.
    """
    content = to_json(results)
    name = f"{quote(results.batch_id, safe='')}.json"  # an id of the service: no path of its own
    if "://" not in folder:
        return _replace(Path(folder), name, content)
    from airflow.sdk import ObjectStoragePath

    target = ObjectStoragePath(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / name).write_bytes(content)
    return str(target / name)


def to_json(results: BatchResults) -> bytes:
    """Return results as the service sent them, but with the files' own names."""
    data: dict[str, Any] = dict(results.to_dict())
    data["files"] = [
        {**raw, "fileName": original_name(file.file_name)} if file.file_name else raw
        for file in results.files
        for raw in [file.to_dict()]
    ]
    return json.dumps(data, indent=1).encode("ascii")


def _replace(folder: Path, name: str, content: bytes) -> str:
    """Write a file that is there whole, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.{uuid4().hex}"
    try:
        draft.write_bytes(content)
        draft.replace(folder / name)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return str(folder / name)


def is_there(path: str) -> bool:
    """Return whether this machine sees a file that `store` wrote."""
    if "://" not in path:
        return Path(path).exists()
    from airflow.sdk import ObjectStoragePath

    return bool(ObjectStoragePath(path).exists())
