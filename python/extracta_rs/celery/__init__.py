"""Ready tasks for Celery: upload, check, collect, deliver.

```python
from celery import Celery

from extracta_rs.celery import Folder, Tasks

app = Celery("documents", broker="redis://localhost:6379/0")
extracta = Tasks(app, store=Folder("results"), journal="extracta.journal")

extracta.extract("<extraction id>", "/data/invoice.pdf", label="invoice-4711").delay()
```

Needs `pip install "extracta_rs[celery]"`. Each task ends soon, may run twice, and leaves nothing in
the worker's memory that another one needs. Through the broker go ids, paths and tokens, no
documents and no results.
"""

from __future__ import annotations

try:
    import celery as _celery  # noqa: F401  to say what is missing
except ImportError as error:
    raise ImportError(
        f'this needs Celery: pip install "extracta_rs[celery]" ({error})', name=error.name
    ) from error

from ._store import Folder
from ._tasks import Tasks

__all__ = ["Folder", "Tasks"]
