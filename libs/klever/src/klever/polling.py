"""Polls until a value is available."""

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
    """Call a probe until it returns a value. Raises FailedError after a timeout in seconds."""
    deadline = time.monotonic() + within
    while (result := await probe()) is None:
        if time.monotonic() > deadline:
            what = complaint if isinstance(complaint, str) else complaint()
            raise FailedError(f"{what} after {within:g} s: check the platform with `klever status`")
        await asyncio.sleep(POLL_SECONDS)
    return result
