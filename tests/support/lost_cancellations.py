"""Losing a cancellation, as nats-py does on Python 3.11 when the cancellation comes with the result."""

import asyncio
from contextlib import suppress


async def lose_cancellation() -> None:
    """Wait until the task is cancelled, and return as if it was not."""
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
