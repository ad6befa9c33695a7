"""Notifications of changes of the projection."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


class Arrivals:
    """Wakes the tasks that wait for a change."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def announce(self) -> None:
        """Report a change: runs the probe of every waiting task."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait_for(self, probe: Callable[[], Awaitable[ResultT | None]], seconds: float) -> ResultT | None:
        """Return the first result of the probe, which runs again after each change; None at the deadline."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            changed = self._changed
            if (answer := await probe()) is not None:
                return answer
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                return None
