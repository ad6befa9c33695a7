"""Ending tasks."""

import asyncio
from collections.abc import Sequence
from typing import Any

CANCEL_AGAIN_SECONDS = 0.5


async def cancel(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Cancel for sure: `asyncio.wait_for` on Python 3.11 loses a cancellation that comes with its result."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
