"""What a process does with the client: signals, exit, fork, threads and loops."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from extracta_rs import AsyncClient, Client, ClientClosedError
from extracta_rs.testing import Emulator

Start = Callable[..., subprocess.Popen[str]]
End = Callable[..., str]
never_done = pytest.mark.extracta_emulator(processing_time=3600)

EXITS = 100
FORKS = 60
INTERRUPTS = 10


@never_done
@pytest.mark.parametrize("how", ["exit", "return", "abandon"])
def test_exit_with_200_waits_in_flight_is_silent(
    how: str, extracta_emulator: Emulator, extraction_id: str, batch_id: str, start: Start, end: End
) -> None:
    arguments = (extracta_emulator.base_url, extraction_id, batch_id, how)
    for _ in range(EXITS if how == "exit" else EXITS // 2):
        end(start("exit_in_flight.py", *arguments))


@never_done
def test_ctrl_c_ends_a_blocking_wait_within_150_ms(
    extracta_emulator: Emulator, extraction_id: str, batch_id: str, start: Start, end: End
) -> None:
    took = []
    for _ in range(INTERRUPTS):
        process = start("interrupted.py", extracta_emulator.base_url, extraction_id, batch_id)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        polled = len(extracta_emulator.requests())
        time.sleep(0.05)  # Not a condition: signals shall arrive at various moments of the wait.
        sent = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        arrived, left = end(process).split()
        took.append(float(arrived) - sent)
        assert int(left) > 0
        assert len(extracta_emulator.requests()) == polled + 1
    assert max(took) < 0.150, took


@never_done
def test_a_client_works_in_forked_children(
    extracta_emulator: Emulator, extraction_id: str, batch_id: str, start: Start, end: End
) -> None:
    process = start("forked.py", extracta_emulator.base_url, extraction_id, batch_id, FORKS)
    assert end(process) == ""


@pytest.mark.parametrize("how", ["path", "object", "asyncio"])
def test_an_upload_of_300_mb_takes_less_than_16_mb_of_memory(
    how: str,
    tmp_path: Path,
    extracta_emulator: Emulator,
    extraction_id: str,
    start: Start,
    end: End,
) -> None:
    large = tmp_path / "large.pdf"
    with large.open("wb") as file:
        file.truncate(300 << 20)
    rise = int(
        end(start("upload_memory.py", extracta_emulator.base_url, extraction_id, large, how))
    )
    assert extracta_emulator.requests()[-1].parts[-1].size == 300 << 20
    assert rise < 16 << 20


@never_done
@pytest.mark.parametrize("how", ["cancel", "timeout", "group", "close"])
def test_a_cancelled_task_ends_the_polling(
    how: str, extracta_emulator: Emulator, extraction_id: str, batch_id: str
) -> None:
    async def main() -> int:
        settings = {"base_url": extracta_emulator.base_url, "min_poll_spacing": 0}
        async with AsyncClient(extracta_emulator.api_key, **settings) as client:

            async def wait() -> None:
                await client.extractions.wait(
                    extraction_id, batch_id, poll_interval=0.01, max_poll_interval=0.01
                )

            def polls() -> int:
                return sum(r.endpoint == "getBatchResults" for r in extracta_emulator.requests())

            async def several_polls() -> None:
                while polls() < 5:
                    await asyncio.sleep(0.005)

            if how == "cancel":
                task = asyncio.create_task(wait())
                await several_polls()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            elif how == "timeout":
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.3):
                        await wait()
            elif how == "close":
                waiting = wait()
                waiting.send(None)
                await several_polls()
                waiting.close()
            else:

                async def fail() -> None:
                    await several_polls()
                    raise LookupError

                with pytest.raises(ExceptionGroup):
                    async with asyncio.TaskGroup() as group:
                        for _ in range(10):
                            group.create_task(wait())
                        group.create_task(fail())
            # One poll may have been on its way when the task ended.
            await client.credits()
            seen = polls()
            await asyncio.sleep(0.3)
            return polls() - seen

    assert asyncio.run(main()) == 0


def test_one_client_serves_many_threads(extracta_client: Client, extraction_id: str) -> None:
    def work(number: int) -> str | None:
        content = (f"{number}.pdf", b"%PDF")
        results = extracta_client.extractions.run(extraction_id, content, poll_interval=0)
        return results.files[0].file_name

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(work, range(200))) == [f"{number}.pdf" for number in range(200)]


def test_one_client_serves_several_loops_one_after_another(
    extracta_async_client: AsyncClient, extraction_id: str
) -> None:
    async def work() -> int:
        runs = [
            extracta_async_client.extractions.run(extraction_id, ("a", b"a"), poll_interval=0)
            for _ in range(10)
        ]
        return sum(results.finished for results in await asyncio.gather(*runs))

    assert [asyncio.run(work()) for _ in range(5)] == [10] * 5


def test_loops_on_several_threads_at_once(
    extracta_async_client: AsyncClient,
) -> None:
    async def work() -> int:
        return sum(await asyncio.gather(*[extracta_async_client.credits() for _ in range(20)])) > 0

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: asyncio.run(work()), range(40)))


def test_the_loop_turns_while_a_call_is_under_way(
    extracta_emulator: Emulator, extracta_async_client: AsyncClient
) -> None:
    extracta_emulator.faults.add("credits", delay=0.5)

    async def main() -> float:
        call = asyncio.create_task(extracta_async_client.credits())
        longest, last = 0.0, time.perf_counter()
        while not call.done():
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
        return longest

    assert asyncio.run(main()) < 0.25


@never_done
def test_close_ends_what_is_under_way(
    extracta_emulator: Emulator, extracta_client: Client, extraction_id: str, batch_id: str
) -> None:
    raised: list[BaseException] = []

    def block() -> None:
        try:
            extracta_client.extractions.wait(extraction_id, batch_id, poll_interval=0.01)
        except ClientClosedError as error:
            raised.append(error)

    thread = threading.Thread(target=block)
    thread.start()
    while not any(r.endpoint == "getBatchResults" for r in extracta_emulator.requests()):
        time.sleep(0.005)
    extracta_client.close()
    thread.join(5)
    assert [str(error) for error in raised] == ["the client was closed"]
    with pytest.raises(ClientClosedError):
        extracta_client.credits()


@pytest.mark.parametrize("spacing", [0.15])
def test_polls_of_one_client_are_kept_apart_whoever_asks(
    spacing: float, extracta_emulator: Emulator, extraction_id: str, batch_id: str
) -> None:
    settings = {"base_url": extracta_emulator.base_url, "min_poll_spacing": spacing}
    with Client(extracta_emulator.api_key, **settings) as client, ThreadPoolExecutor(8) as pool:
        waits = [
            pool.submit(client.extractions.wait, extraction_id, batch_id, poll_interval=0)
            for _ in range(8)
        ]
        looks = [pool.submit(client.extractions.results, extraction_id, batch_id) for _ in range(4)]
        assert all(future.result().finished for future in waits + looks)

    async def main() -> None:
        async with AsyncClient(extracta_emulator.api_key, **settings) as client:
            await asyncio.gather(
                *[client.extractions.results(extraction_id, batch_id) for _ in range(6)]
            )

    def gaps() -> list[float]:
        times = [r.time for r in extracta_emulator.requests() if r.endpoint == "getBatchResults"]
        return [later - earlier for earlier, later in itertools.pairwise(times)]

    # Of the waits the first good answer ends all, so there are fewer polls than waits.
    assert 4 <= len(gaps()) <= 11
    before = len(gaps())
    assert min(gaps()) >= spacing
    asyncio.run(main())
    assert len(gaps()) == before + 6
    assert min(gaps()[before + 1 :]) >= spacing
