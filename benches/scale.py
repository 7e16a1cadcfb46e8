"""How many documents a day one key can bring in: a simulation, and a check of it.

    python benches/scale.py            # the table of docs/scale.md; the same figures each time
    python benches/scale.py --check    # beside the real client on the emulator, times cut to 1/40

A discrete-event simulation with the standard library alone. Batches arrive evenly over a day, are
in processing for as long as `--processing` says, and are asked for as the client asks
(`src/core/poll`, `src/core/limit.rs`): one request at a time, the next one `spacing` behind the
answer of the last, whoever was due first; intervals from 2 to 15 s that grow by 1.5 and up to a
tenth of chance. Three ways to learn that a batch is finished:

- `poll`: a `getBatchResults` for each batch;
- `sweep`: one `viewExtraction` shows all batches, each finished one takes a `getBatchResults`;
  eight of those go before another sweep, where so many are in line;
- `webhook`: the results come with the delivery; what got lost on the way (`--lost`) is found by
  one sweep an hour.

Not in it: uploads (no limit of theirs is known), what the receiver of webhooks does, failed
requests, and the checks by which the client finds out a listing that lies (a request in ten).
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import math
import random
import sys
from collections import deque
from dataclasses import asdict, dataclass, replace
from typing import Literal

Way = Literal["poll", "sweep", "webhook"]
WAYS: tuple[Way, ...] = ("poll", "sweep", "webhook")
DAY = 86_400.0
SIZES = (10**4, 10**6, 10**8)
FILES = (1, 10, 100)
# A batch as `viewExtraction` shows it: `"-OAbc123DeF456gHiJkL":{"status":"processed"},`
LISTED_BYTES = 48
LISTED = (1_000, 10_000, 100_000)
# The client refuses a larger answer (src/core/http.rs).
MOST_BYTES = 64 << 20
SWEEPABLE = 3
# So many batches that were shown as finished are asked for before another sweep.
FOUND_FIRST = 8
# What a line may grow to within the hour that stands for a day.
SLACK = 60.0
# A tenth of each key is kept free, for requests that fail and documents that come in heaps.
USED = 0.9


@dataclass(frozen=True)
class Setting:
    """What is simulated; times in seconds."""

    way: Way
    batches: int
    span: float = DAY
    processing: float = 30.0
    spacing: float = 2.0
    latency: float = 0.15
    poll_interval: float = 2.0
    max_poll_interval: float = 15.0
    backoff: float = 1.5
    lost: float = 0.001
    sweep_every: float = 3600.0
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of it by the end of the span."""

    finished: int
    requests: int
    sweeps: int
    median: float
    slowest: float

    @property
    def per_batch(self) -> float:
        return self.requests / max(self.finished, 1)


class Simulation:
    """One key's waits. The clock jumps from one request to the next."""

    def __init__(self, setting: Setting, arrives: list[float] | None = None) -> None:
        self.s = setting
        self.chance = random.Random(setting.seed)
        even = setting.span / setting.batches
        self.arrives = arrives or [even * number for number in range(setting.batches)]
        self.next_arrival = 0
        self.open = 0
        self.interval: dict[int, float] = {}
        self.polls: list[tuple[float, int]] = []
        self.line: deque[int] = deque()
        # Those whose end only a sweep will show, by the moment of it.
        self.unseen: list[tuple[float, int]] = []
        self.sweep_due = math.inf
        self.sweep_interval = setting.poll_interval
        self.polls_since = FOUND_FIRST
        self.delays: list[float] = []
        self.requests = self.sweeps = 0

    def run(self) -> Outcome:
        now = 0.0
        while True:
            self.take_arrivals(now)
            begins = max(now, self.next_due())
            if begins >= self.s.span:
                break
            if begins > now:
                self.take_arrivals(begins)
                now = begins
                continue
            while self.polls and self.polls[0][0] <= now:
                self.line.append(heapq.heappop(self.polls)[1])
            answered = now + self.s.latency
            self.requests += 1
            if self.sweep_due <= now and (self.polls_since >= FOUND_FIRST or not self.line):
                self.sweep(now, answered)
            else:
                self.poll(self.line.popleft(), now, answered)
            now = answered + self.s.spacing
        ranked = sorted(self.delays) or [math.inf]
        return Outcome(
            finished=len(self.delays),
            requests=self.requests,
            sweeps=self.sweeps,
            median=round(ranked[len(ranked) // 2], 1),
            slowest=round(ranked[-1], 1),
        )

    def next_due(self) -> float:
        if self.line:
            return 0.0
        due = min(self.sweep_due, self.polls[0][0] if self.polls else math.inf)
        if self.next_arrival < len(self.arrives):
            due = min(due, self.arrives[self.next_arrival])
        return due

    def take_arrivals(self, now: float) -> None:
        while self.next_arrival < len(self.arrives) and self.arrives[self.next_arrival] <= now:
            number = self.next_arrival
            self.next_arrival += 1
            self.arrived(number, self.arrives[number])

    def arrived(self, number: int, when: float) -> None:
        ends = when + self.s.processing
        if self.s.way == "webhook":
            if self.chance.random() >= self.s.lost:
                self.delays.append(0.0)
                return
            heapq.heappush(self.unseen, (ends, number))
            if self.sweep_due == math.inf:
                self.sweep_due = when + self.s.sweep_every
            return
        self.open += 1
        due = when + self.jittered(self.s.poll_interval)
        if self.s.way == "sweep" and self.open >= SWEEPABLE:
            heapq.heappush(self.unseen, (ends, number))
            self.sweep_interval = self.s.poll_interval
            self.sweep_due = min(self.sweep_due, due)
        else:
            self.interval[number] = self.s.poll_interval
            heapq.heappush(self.polls, (due, number))

    def poll(self, number: int, now: float, answered: float) -> None:
        self.polls_since += 1
        ends = self.arrives[number] + self.s.processing
        if ends <= now:
            self.open -= 1
            self.interval.pop(number, None)
            self.delays.append(answered - ends)
            return
        grown = self.interval[number] * self.s.backoff
        self.interval[number] = min(grown, self.s.max_poll_interval)
        heapq.heappush(self.polls, (answered + self.jittered(self.interval[number]), number))

    def sweep(self, now: float, answered: float) -> None:
        self.polls_since = 0
        self.sweeps += 1
        while self.unseen and self.unseen[0][0] <= now:
            self.line.append(heapq.heappop(self.unseen)[1])
        if self.s.way == "webhook":
            self.sweep_due = answered + self.s.sweep_every if self.unseen else math.inf
        elif self.open < SWEEPABLE:
            # Not worth it any more: each is asked for.
            self.sweep_due = math.inf
            for _, number in self.unseen:
                self.interval[number] = self.s.poll_interval
                heapq.heappush(self.polls, (answered + self.s.poll_interval, number))
            self.unseen.clear()
        else:
            grown = self.sweep_interval * self.s.backoff
            self.sweep_interval = min(grown, self.s.max_poll_interval)
            self.sweep_due = answered + self.jittered(self.sweep_interval)

    def jittered(self, interval: float) -> float:
        return interval * (1 + 0.1 * self.chance.random())


def simulate(setting: Setting) -> Outcome:
    return Simulation(setting).run()


def keeps_up(setting: Setting) -> bool:
    """Whether nobody had to wait for more than a minute behind the others."""
    outcome = simulate(setting)
    under_way = setting.batches * (setting.processing + SLACK) / setting.span + 1
    return outcome.finished >= setting.batches - under_way and outcome.slowest < SLACK


def most(setting: Setting, limit: int) -> int:
    """Return the most batches a span (to 1 %) that it keeps up with, `limit` where it does."""
    if keeps_up(replace(setting, batches=limit)):
        return limit
    low, high = 1, limit
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        if keeps_up(replace(setting, batches=middle)):
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True)
class Line:
    """A row of the table: how a number of documents a day comes in."""

    documents: int
    files: int
    way: Way
    keys: int
    requests_per_batch: float
    median: float
    slowest: float


def line(base: Setting, way: Way, documents: int, files: int, capacity: int) -> Line:
    batches = documents // files
    keys = max(1, math.ceil(batches / (capacity * USED)))
    a_key = math.ceil(batches / keys)
    # A part of the day tells as much, where it has enough batches.
    part = min(1.0, max(1 / 12, 100_000 / a_key))
    share = replace(base, way=way, batches=math.ceil(a_key * part), span=DAY * part)
    outcome = simulate(share)
    return Line(
        documents=documents,
        files=files,
        way=way,
        keys=keys,
        requests_per_batch=round(outcome.per_batch, 3),
        median=outcome.median,
        slowest=outcome.slowest,
    )


def lines(base: Setting, capacity: dict[Way, int], sizes: tuple[int, ...]) -> list[Line]:
    return [
        line(base, way, documents, files, capacity[way])
        for documents in sizes
        for files in FILES
        for way in WAYS
    ]


def capacities(base: Setting) -> dict[Way, int]:
    """Return how many batches a day each way keeps up with, rounded down to two digits."""
    # An hour stands for the day: what does not keep up then never does.
    hour = replace(base, span=3600.0)
    found: dict[Way, int] = {}
    for way in ("poll", "sweep"):
        a_day = 24 * most(replace(hour, way=way), 4_000)
        found[way] = a_day // 100 * 100
    # A lost delivery takes a request of its own; one sweep an hour finds them.
    turns = DAY / (base.spacing + base.latency) - DAY / base.sweep_every
    found["webhook"] = int(turns / base.lost) // 1000 * 1000 if base.lost else 10**9
    return found


def table(base: Setting, sizes: tuple[int, ...] = SIZES) -> str:
    capacity = capacities(base)
    text = [
        "| Way | Batches a day on one key | Documents a day, 1 in a batch | 10 | 100 |",
        "|---|---|---|---|---|",
    ]
    for way in WAYS:
        a_day = capacity[way]
        cells = " | ".join(f"{a_day * files:,}" for files in FILES)
        text.append(f"| {way} | {a_day:,} | {cells} |")
    text += [
        "",
        "| Documents a day | In a batch | Way | Keys | Requests a batch | Known after | Slowest |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in lines(base, capacity, sizes):
        text.append(
            f"| {row.documents:,} | {row.files} | {row.way} | {row.keys:,} | "
            f"{row.requests_per_batch:.2f} | {row.median:.0f} s | {row.slowest:.0f} s |"
        )
    text += ["", "| Batches of one extraction | A look at it |", "|---|---|"]
    text += [f"| {count:,} | {count * LISTED_BYTES / 1e6:.2f} MB |" for count in LISTED]
    text.append(f"| {MOST_BYTES // LISTED_BYTES:,} | refused: more than {MOST_BYTES >> 20} MiB |")
    return "\n".join(text)


# --- The model beside the client -----------------------------------------------------------------

CUT = 40.0


@dataclass(frozen=True)
class Compared:
    """Requests that the model foretold and the client made, for the same batches."""

    way: Way
    batches: int
    model: int
    client: int


async def measure(
    way: Way, batches: int, span: float, processing: float
) -> tuple[int, list[float]]:
    """Let the client wait for batches that arrive over a span; return its requests, and when they
    arrived."""
    from extracta_rs import AsyncClient
    from extracta_rs.testing import Emulator

    clock = asyncio.get_running_loop().time
    arrives: list[float] = []
    with Emulator(processing_time=processing) as emulator:
        async with AsyncClient(
            emulator.api_key, base_url=emulator.base_url, min_poll_spacing=2 / CUT
        ) as client:
            made = await client.extractions.create(
                "T", fields=[{"key": "total", "description": "the total"}]
            )
            waits = []
            began = clock()
            for number in range(batches):
                await asyncio.sleep(max(0.0, began + span * number / batches - clock()))
                batch = await client.extractions.upload(
                    made.extraction_id, (f"{number}.txt", b"text")
                )
                arrives.append(clock() - began)
                waiting = batch.wait(
                    poll_interval=2 / CUT,
                    max_poll_interval=15 / CUT,
                    # Whoever wants each answer is polled for itself.
                    on_progress=print_nothing if way == "poll" else None,
                )
                waits.append(asyncio.create_task(waiting))
            for results in await asyncio.gather(*waits):
                if not results.finished:
                    raise RuntimeError(f"{results.batch_id} is not finished")
        asked = ("getBatchResults", "viewExtraction")
        return sum(request.endpoint in asked for request in emulator.requests()), arrives


def print_nothing(_: object) -> None:
    """Take an answer."""


def compare(batches: int, span: float, processing: float) -> list[Compared]:
    """Compare both ways that ask; times are the simulation's, cut for the client."""
    found = []
    for way in ("poll", "sweep"):
        real, arrives = asyncio.run(measure(way, batches, span / CUT, processing / CUT))
        # The emulator answers within a few milliseconds. The last batch is waited for.
        setting = Setting(way, batches, math.inf, processing, latency=0.003 * CUT)
        model = Simulation(setting, [when * CUT for when in arrives]).run()
        if model.finished != batches:
            raise RuntimeError("the simulation lost batches")
        found.append(Compared(way, batches, model.requests, real))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the real client")
    parser.add_argument("--json", action="store_true", help="figures for a program")
    parser.add_argument("--quick", action="store_true", help="the smallest size only")
    parser.add_argument("--processing", type=float, default=30.0, help="seconds of a batch")
    parser.add_argument("--spacing", type=float, default=2.0, help="seconds between requests")
    parser.add_argument("--latency", type=float, default=0.15, help="seconds to an answer")
    parser.add_argument("--lost", type=float, default=0.001, help="share of lost deliveries")
    asked = parser.parse_args()
    base = Setting(
        "poll", 1, processing=asked.processing, spacing=asked.spacing, latency=asked.latency,
        lost=asked.lost,
    )  # fmt: skip
    if asked.check:
        # With room, and with more than a key bears.
        loads = ((20, 100.0), (60, 60.0)) if asked.quick else ((120, 600.0), (200, 200.0))
        compared = [row for count, span in loads for row in compare(count, span, 30.0)]
        if asked.json:
            print(json.dumps([asdict(row) for row in compared]))
        else:
            for row in compared:
                print(f"{row.way}: {row.batches} batches, model {row.model}, client {row.client}")
        return 0
    sizes = SIZES[:1] if asked.quick else SIZES
    if asked.json:
        capacity = capacities(base)
        rows = [asdict(line) for line in lines(base, capacity, sizes)]
        print(json.dumps({"capacity": capacity, "lines": rows}))
    else:
        print(table(base, sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
