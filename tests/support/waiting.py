"""The only place where a test lets time pass."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


async def eventually(probe: Callable[[], Awaitable[ResultT]], *, within: float = 10.0, every: float = 0.01) -> ResultT:
    """Ask again until the probe gives a true value without raising; fail with its last answer.

    Args:
        probe: asked at least once.
        within: seconds before giving up.
        every: seconds between two questions.
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
            raise AssertionError(f"not within {within} s; last answer: {answer!r}") from failure
        await asyncio.sleep(every)


async def turns_of_the_loop(number: int) -> None:
    """Let exactly so many turns of the event loop pass; no time."""
    for _ in range(number):
        await asyncio.sleep(0)
