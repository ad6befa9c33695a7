"""The only place where a test waits for time to pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


async def eventually(probe: Callable[[], Awaitable[ResultT]], *, within: float = 30.0, every: float = 0.01) -> ResultT:
    """Repeat the probe until it returns a true value without raising. Fail with its last result or error.

    Args:
        probe: called at least once.
        within: seconds before giving up.
        every: seconds between two calls.
    """
    deadline = time.monotonic() + within
    while True:
        failure: Exception | None = None
        answer: ResultT | None = None
        try:
            answer = await probe()
        except Exception as error:  # noqa: BLE001 - whatever the probe raises is "not yet"
            failure = error
        if failure is None and answer:
            return answer
        if time.monotonic() > deadline:
            last = f"last answer: {answer!r}" if failure is None else f"last error: {failure!r}"
            raise AssertionError(f"not within {within} s; {last}") from failure
        await asyncio.sleep(every)


async def others(turns: int = 20) -> None:
    """Let the other tasks run for this many turns of the loop, without waiting."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def pause(seconds: float) -> None:
    """Wait on purpose: between two actions of a load, or for the duration of a fault."""
    await asyncio.sleep(seconds)
