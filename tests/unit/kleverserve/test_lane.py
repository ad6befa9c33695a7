"""The thread that handles a request."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import pytest

from kleverserve.lane import INLINE_BYTES, INLINE_SECONDS, Lane

ENOUGH_TO_FORGET = 100


@pytest.fixture
def lane() -> Iterator[Lane]:
    with ThreadPoolExecutor(1) as pool:
        yield Lane(pool)


def quick() -> bool:
    return threading.current_thread() is threading.main_thread()


def slow() -> bool:
    until = perf_counter() + 50 * INLINE_SECONDS
    while perf_counter() < until:
        pass
    return quick()


async def settle(lane: Lane) -> None:
    for _ in range(ENOUGH_TO_FORGET):
        await lane.run(quick, size=0)


async def test_a_new_model_runs_in_a_thread(lane: Lane) -> None:
    assert not await lane.run(quick, size=0)


async def test_a_quick_model_moves_to_the_event_loop(lane: Lane) -> None:
    await settle(lane)
    assert any([await lane.run(quick, size=0) for _ in range(ENOUGH_TO_FORGET)])


async def test_a_large_body_is_still_handled_in_a_thread(lane: Lane) -> None:
    await settle(lane)
    assert not await lane.run(quick, size=INLINE_BYTES + 1)


async def test_a_model_returns_to_a_thread_after_a_slow_run(lane: Lane) -> None:
    await settle(lane)
    await lane.run(slow, size=0)
    assert not await lane.run(slow, size=0)


async def test_an_exception_reaches_the_caller(lane: Lane) -> None:
    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await lane.run(fail, size=0)
