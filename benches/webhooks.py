"""How long webhooks take, beside the hash alone and beside what one would use instead.

    pip install ".[bench]" && python benches/webhooks.py

All contestants of a row run in turns in this one process, and the median of their rounds counts.
The limit is `hmac.digest` over the signed bytes: nothing that checks a signature can be faster
than a hash, short of a faster hash. Sizes are of the whole body. Run it on a quiet machine with a
release build; ratios of a debug build say nothing.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import platform
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

import orjson
import stripe

import extracta_rs

SECRET, KEY = "E_AI_K_bench-secret", b"bench-secret"
SIZES = {"450 B": 450, "50 kB": 50_000, "1 MB": 1_000_000, "10 MB": 10_000_000}
ROUND = 0.004  # seconds that a contestant runs in one turn, at least one call

Work = Callable[[], object]


def file(number: int) -> dict[str, Any]:
    """Return one file of a delivery, with an invoice's usual fields."""
    return {
        "fileId": f"-OAbc{number:08d}",
        "fileName": f"invoice-{number}.pdf",
        "extractionId": "-OAbc123DeF456gHi",
        "batchId": "-OBbc123DeF456gHi",
        "status": "processed",
        "result": {
            "invoice_number": f"INV-{number:06d}",
            "date": "2026-11-25",
            "supplier": "Müller & Söhne GmbH",
            "total": 1234.5 + number,
            "currency": "EUR",
            "items": [
                {"description": "Widget, large", "quantity": 3, "unit_price": 12.5},
                {"description": "Shipping", "quantity": 1, "unit_price": 4.99},
            ],
        },
        "url": f"https://storage.example.com/files/{number}/invoice-{number}.pdf",
    }


def compact(value: object) -> bytes:
    """Return JSON as the vendor writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def files(size: int) -> list[dict[str, Any]]:
    """Return so many files that their delivery has about `size` bytes."""
    if size < 500:
        small = file(0)
        del small["result"]["items"][0]
        return [small]
    found: list[dict[str, Any]] = []
    left = size
    while left > 0:
        found.append(file(len(found)))
        left -= len(compact(found[-1])) + 1
    return found


@dataclass
class Row:
    """One line of the table: medians in seconds by contestant, and what they are measured by."""

    name: str
    size: str
    body_bytes: int
    limit: str
    seconds: dict[str, float] = field(default_factory=dict)

    def ratio(self, contestant: str) -> float:
        return self.seconds[contestant] / self.seconds[self.limit]


def measure(row: Row, contestants: dict[str, Work], rounds: int) -> Row:
    """Let the contestants run in turns."""
    calls = {}
    for name, work in contestants.items():
        start = time.perf_counter()
        work()
        once = time.perf_counter() - start
        calls[name] = max(1, round(ROUND / max(once, 1e-7)))
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            start = time.perf_counter()
            for _ in range(calls[name]):
                work()
            samples[name].append((time.perf_counter() - start) / calls[name])
    row.seconds = {name: median(times) for name, times in samples.items()}
    return row


def verify(body: bytes, header: str) -> Work:
    assert extracta_rs.verify_signature(body, header, SECRET)
    return lambda: extracta_rs.verify_signature(body, header, SECRET)


def with_json(body: bytes, header: str) -> Work:
    """What users write today; right only while no number or key is out of the ordinary."""

    def work() -> bool:
        message = json.dumps(json.loads(body)["result"], separators=(",", ":"), ensure_ascii=False)
        return expected(message.encode(), header)

    return work


def with_orjson(body: bytes, header: str) -> Work:
    return lambda: expected(orjson.dumps(orjson.loads(body)["result"]), header)


def expected(message: bytes, header: str) -> bool:
    digest = base64.b64encode(hmac.digest(KEY, message, "sha256")).decode()
    return hmac.compare_digest(digest, header)


def with_stripe(signed: bytes) -> Work:
    """Stripe's check of a body of the same size, already decoded, as it wants it."""
    check = stripe.WebhookSignature
    text, now = signed.decode(), int(time.time())
    header = f"t={now},v1={check._compute_signature(f'{now}.{text}', SECRET)}"
    assert check.verify_header(text, header, SECRET, None)
    return lambda: check.verify_header(text, header, SECRET, None)


def unwrapped_and_read(body: bytes, header: str) -> Work:
    def work() -> None:
        for one in extracta_rs.unwrap(body, header, SECRET).files:
            _ = one.file_id, one.status, one.result

    return work


def loaded(body: bytes, signed: bytes) -> Work:
    """The limit of `unwrap`: the hash and the fastest JSON, without finding what is signed."""
    return lambda: (hmac.digest(KEY, signed, "sha256"), orjson.loads(body))


def loaded_and_read(body: bytes, signed: bytes) -> Work:
    def work() -> None:
        hmac.digest(KEY, signed, "sha256")
        for one in orjson.loads(body)["result"]:
            _ = one["fileId"], one["status"], one["result"]

    return work


def rows(size: str, rounds: int) -> list[Row]:
    listed = files(SIZES[size])
    signed = compact(listed)
    body = b'{"event":"extraction.processed","result":' + signed + b"}"
    header = extracta_rs.sign(body, SECRET)
    limit: dict[str, Work] = {"hmac": lambda: hmac.digest(KEY, signed, "sha256")}
    few = max(5, rounds // 4)

    def row(name: str, contestants: dict[str, Work], rounds: int, limit: str) -> Row:
        return measure(Row(name, size, len(body), limit), contestants, rounds)

    found = [
        row("as sent", {**limit, "ours": verify(body, header)}, rounds * 2, "hmac"),
        row("as sent, peers", {**limit, "ours": verify(body, header),
            "stripe": with_stripe(signed), "json": with_json(body, header)}, few, "hmac"),
    ]  # fmt: skip
    for name, other in {
        "result not last": b'{"result":' + signed + b',"event":"extraction.processed"}',
        "spaces behind": body[:-1] + b" \n}\n",
    }.items():
        found.append(row(name, {**limit, "ours": verify(other, header)}, rounds, "hmac"))
    parsed = json.loads(body)
    for name, other in {
        "rebuild, spaced": json.dumps(parsed, ensure_ascii=False).encode(),
        "rebuild, escaped": json.dumps(parsed).encode(),
        "rebuild, indented": json.dumps(parsed, indent=2).encode(),
    }.items():
        contestants = {"ours": verify(other, header), "orjson": with_orjson(other, header)}
        found.append(row(name, contestants, few, "orjson"))
        found[-1].body_bytes = len(other)
    found.append(row("unwrap", {
        "orjson+hmac": loaded(body, signed),
        "ours": lambda: extracta_rs.unwrap(body, header, SECRET),
    }, few, "orjson+hmac"))  # fmt: skip
    found.append(row("unwrap, all read", {
        "orjson+hmac": loaded_and_read(body, signed),
        "ours": unwrapped_and_read(body, header),
    }, few, "orjson+hmac"))  # fmt: skip
    return found


def scaling(size: str, rounds: int) -> dict[str, float]:
    """Tell how many times more verifications two threads make than one, in the same time."""
    signed = compact(files(SIZES[size]))
    body = b'{"event":"extraction.processed","result":' + signed + b"}"
    work = verify(body, extracta_rs.sign(body, SECRET))
    start = time.perf_counter()
    work()
    calls = max(1, round(0.05 / (time.perf_counter() - start)))

    def seconds(threads: int) -> float:
        def run() -> None:
            barrier.wait()
            for _ in range(calls):
                work()
            barrier.wait()

        barrier = threading.Barrier(threads + 1)
        started = [threading.Thread(target=run) for _ in range(threads)]
        for thread in started:
            thread.start()
        barrier.wait()
        start = time.perf_counter()
        barrier.wait()
        taken = time.perf_counter() - start
        for thread in started:
            thread.join()
        return taken

    one, two = [], []
    for _ in range(rounds):
        one.append(seconds(1))
        two.append(seconds(2))
    return {"two threads": 2 * median(one) / median(two)}


def show(found: list[Row]) -> None:
    print(f"{'':20}{'size':>8}  medians in µs; x: times the first")
    for row in found:
        parts = [f"{row.limit} {row.seconds[row.limit] * 1e6:,.1f}"]
        for name, seconds in row.seconds.items():
            if name != row.limit:
                speed = f", {row.body_bytes / seconds / 1e6:,.0f} MB/s" if name == "ours" else ""
                parts.append(f"{name} {seconds * 1e6:,.1f} ({row.ratio(name):.2f}x{speed})")
        print(f"{row.name:20}{row.size:>8}  {'; '.join(parts)}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--rounds", type=int, default=60, help="turns of each contestant")
    options.add_argument("--sizes", nargs="*", choices=list(SIZES), default=list(SIZES))
    options.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = options.parse_args()
    found = []
    about = (
        f"extracta_rs {extracta_rs.__version__}, Python {platform.python_version()}, "
        f"orjson {orjson.__version__}, stripe {stripe.VERSION}"
    )
    print(about, file=sys.stderr)
    for size in chosen.sizes:
        of_size = rows(size, chosen.rounds)
        found += of_size
        if not chosen.json:
            show(of_size)
    threads = {size: scaling(size, chosen.rounds // 4) for size in chosen.sizes if size != "450 B"}
    if chosen.json:
        print(json.dumps({"rows": [asdict(row) for row in found], "threads": threads}))
    else:
        for size, scale in threads.items():
            print(
                f"{'threads':20}{size:>8}  two verify {scale['two threads']:.2f}x of what one does"
            )


if __name__ == "__main__":
    main()
