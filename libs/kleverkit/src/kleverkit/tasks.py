"""Ending tasks."""

import asyncio
from collections.abc import Sequence
from typing import Any

CANCEL_AGAIN_SECONDS = 0.5


async def cancel(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel for sure: `asyncio.wait_for` on Python 3.11 loses a cancellation that comes with its result.

    Returns once all have ended, also where the caller is cancelled meanwhile; then it raises CancelledError.
    """
    is_cancelled = False
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        try:
            await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
        except asyncio.CancelledError:
            is_cancelled = True
    await asyncio.gather(*tasks, return_exceptions=True)
    if is_cancelled:
        raise asyncio.CancelledError
