"""A failing background loop is restarted, is named in readiness while it fails, and does not flood the log."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from kleverkit.loops import BackgroundLoop, BackgroundLoops, loops_check
from kleverkit.repeats import REMEMBERED, Repeats
from kleverkit.tasks import cancel
from support.lost_cancellations import lose_cancellation
from support.waiting import others


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Work:
    """Each run takes this long and fails; then one hangs, like a loop that works."""

    def __init__(self, clock: Clock, *runs: float) -> None:
        self._clock = clock
        self._runs = list(runs)
        self.settled = asyncio.Event()

    async def run(self) -> None:
        if not self._runs:
            self.settled.set()
            await asyncio.Event().wait()
        self._clock.now += self._runs.pop(0)
        raise OSError(f"the disk is full at {self._clock.now}")


async def settled(clock: Clock, *runs: float) -> BackgroundLoop:
    work = Work(clock, *runs)
    loop = BackgroundLoop(work.run, pause=0, clock=clock)
    task = asyncio.create_task(loop.forever())
    await work.settled.wait()
    await cancel([task])
    return loop


async def test_a_single_failure_is_not_a_problem() -> None:
    assert (await settled(Clock(), 0.0)).problem() is None


@pytest.mark.parametrize("lasted", [0.0, 1.0, 5.0, 50.0])
async def test_a_loop_that_keeps_failing_is_a_problem_until_a_run_lasts_longer(lasted: float) -> None:
    clock = Clock()
    loop = await settled(clock, *[lasted] * 3)
    assert loop.problem() == f"Work.run failed 3 times in a row: OSError: the disk is full at {clock.now}"
    clock.now += lasted + 1
    assert loop.problem() is not None
    clock.now += lasted + 3
    assert loop.problem() is None


async def test_failures_after_long_runs_are_not_counted_together() -> None:
    assert (await settled(Clock(), 3600.0, 3600.0)).problem() is None


async def test_the_check_names_the_failing_loops() -> None:
    clock = Clock()
    loops = [await settled(clock, 0.0, 0.0), await settled(clock, 0.0)]
    assert str(await loops_check(loops)()).startswith("Work.run failed 2 times")
    assert await loops_check(loops[1:])() is None


async def test_loops_that_run_together_end_together_although_one_loses_a_cancellation() -> None:
    ended = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    running = asyncio.create_task(BackgroundLoops([wait, lose_cancellation]).run())
    await others()
    running.cancel()
    await asyncio.wait([running], timeout=5)
    assert (running.cancelled(), ended.is_set()) == (True, True)


async def test_the_same_failure_is_logged_once_a_minute() -> None:
    clock = Clock()
    with capture_logs() as logs:
        await settled(clock, *[1.0] * 59)
    assert len(logs) == 1
    with capture_logs() as logs:
        await settled(clock, *[1.0] * 61)
    assert len(logs) == 2


def test_a_loop_is_named_after_its_function() -> None:
    assert BackgroundLoop(partial(Work(Clock()).run)).name == "Work.run"


def test_the_memory_for_problems_is_bounded() -> None:
    repeats = Repeats(clock=Clock())
    assert all(repeats.is_new(Path(str(number))) for number in range(2 * REMEMBERED))
    assert len(repeats._logged) == REMEMBERED
