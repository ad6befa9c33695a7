"""Asking again until there is an answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .errors import FailedError

ResultT = TypeVar("ResultT")

POLL_SECONDS = 0.02


async def until(
    probe: Callable[[], Awaitable[ResultT | None]], within: float, complaint: str | Callable[[], str]
) -> ResultT:
    """What a probe gives as soon as it gives something. Raises FailedError when it takes too long."""
    deadline = time.monotonic() + within
    while (result := await probe()) is None:
        if time.monotonic() > deadline:
            what = complaint if isinstance(complaint, str) else complaint()
            raise FailedError(f"{what} after {within:g} s: `klever status` shows whether all parts are well")
        await asyncio.sleep(POLL_SECONDS)
    return result
