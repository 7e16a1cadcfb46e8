"""How long JSON takes to become Python's objects, beside orjson, which is the limit.

    pip install ".[bench]" && python benches/to_python.py

What answers and deliveries go through: a list of files as `getBatchResults` and webhooks have it.
The contestants run in turns in this one process, and the median of their rounds counts.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable

import orjson
from webhooks import Row, compact, files, measure, show

import extracta_rs
from extracta_rs import _core

SIZES = {"2 kB": 2_000, "50 kB": 50_000, "1 MB": 1_000_000}


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rounds", type=int, default=60, help="turns of each contestant")
    chosen = options.parse_args()
    python = platform.python_version()
    about = f"extracta_rs {extracta_rs.__version__}, Python {python}, orjson {orjson.__version__}"
    print(about, file=sys.stderr)
    found = []
    for name, size in SIZES.items():
        text = compact(files(size))
        # What this gives is made anew with each call.
        read = _core.Unwrapped(text, (0, 0), (0, len(text)), None).event

        def ours(read: Callable[[], object] = read) -> object:
            return read()

        def limit(text: bytes = text) -> object:
            return orjson.loads(text)

        assert ours() == limit()
        row = Row("list of files", name, len(text), "orjson")
        found.append(measure(row, {"orjson": limit, "ours": ours}, chosen.rounds))
    show(found)


if __name__ == "__main__":
    main()
