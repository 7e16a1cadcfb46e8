"""How long tables of many files take.

    pip install ".[bench]" && python benches/tables.py

Invoices of ten fields with three line items each, in batches of 100, are there as Python's objects
before the clock starts, as they are after a wait. Beside them stands what one would write instead:
`pyarrow.Table.from_pylist` over `result`, nested and with none of the rules of docs/tables.md.
The best and the median of the rounds are shown, and the median of the processor's time, which a
busy machine changes less.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pandas
import polars
import pyarrow

from extracta_rs import BatchResults, tables


def invoice(number: int) -> dict[str, Any]:
    """Return one file of an answer, as the vendor sends it."""
    return {
        "fileId": f"-OAbc{number:08d}",
        "fileName": f"invoice-{number}.pdf",
        "status": "processed",
        "result": {
            "invoice_number": f"INV-{number:06d}",
            "date": f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
            "due_date": "2026-12-31",
            "supplier": {"name": f"Müller {number % 999} GmbH", "vat_id": f"DE{number:09d}"},
            "customer": f"Customer {number % 5000} Ltd",
            "currency": "EUR",
            "tax": f"{number % 900},{number % 100:02d}",
            "total": 1234.5 + number,
            "paid": number % 3 == 0,
            "items": [
                {
                    "description": f"Widget {number % 77 + place}",
                    "quantity": place + 1,
                    "unit_price": 12.25 + place,
                    "total": f"{number % 1000},50",
                }
                for place in range(3)
            ],
        },
        "url": f"https://storage.example.com/files/{number}/invoice-{number}.pdf",
    }


def batches(files: int) -> list[BatchResults]:
    """Return the results of so many files."""
    found = []
    for start in range(0, files, 100):
        some = [invoice(number) for number in range(start, min(start + 100, files))]
        found.append(BatchResults._load({"files": some}, True, "-OAx", None, f"-OB{start:08d}"))
    return found


def contestants(results: list[BatchResults], folder: Path) -> dict[str, Callable[[], object]]:
    """Return what is measured, by its name in the table."""
    return {
        "to_records": lambda: tables.to_records(results),
        "to_arrow": lambda: tables.to_arrow(results),
        "to_arrow, explode": lambda: tables.to_arrow(results, explode="items"),
        "to_arrow, flatten=False": lambda: tables.to_arrow(results, flatten=False),
        "to_pandas": lambda: tables.to_pandas(results),
        "to_polars": lambda: tables.to_polars(results),
        "to_csv": lambda: tables.to_csv(results, folder / "out.csv"),
        "to_jsonl": lambda: tables.to_jsonl(results, folder / "out.jsonl"),
        "to_parquet": lambda: tables.to_parquet(results, folder / "out.parquet"),
        "Table.from_pylist": lambda: pyarrow.Table.from_pylist(
            [file.result for batch in results for file in batch]
        ),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="How long tables of many files take.")
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    results = batches(options.files)
    rows = tables.to_arrow(results).num_rows
    assert rows == options.files, "one row a file"
    versions = ", ".join(f"{m.__name__} {m.__version__}" for m in (pyarrow, pandas, polars))
    print(f"{rows} files; Python {platform.python_version()}, {versions}\n")
    print("| | best, s | median, s | of it at work, s |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, work in contestants(results, Path(folder)).items():
            wall, cpu = [], []
            for _ in range(options.rounds):
                start, busy = time.perf_counter(), time.process_time()
                made = work()
                cpu.append(time.process_time() - busy)
                wall.append(time.perf_counter() - start)
                del made
            print(f"| {name} | {min(wall):.2f} | {median(wall):.2f} | {median(cpu):.2f} |")


if __name__ == "__main__":
    main()
