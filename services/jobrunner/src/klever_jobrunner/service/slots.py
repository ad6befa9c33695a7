"""A few places for heavy work, given out fairly: projects take turns, whoever asked more often."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSlots:
    """Places for work.

    Args:
        size: how many there are.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, project: str) -> AsyncIterator[None]:
        """Hold a place for the length of the block."""
        await self._take(project)
        try:
            yield
        finally:
            self._free += 1
            self._hand_out()

    async def _take(self, project: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(project, deque()).append(turn)
        self._hand_out()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given a place at the same moment
                self._free += 1
            self._hand_out()
            raise

    def _hand_out(self) -> None:
        """Give places to the first of each project, projects in turns."""
        while self._free and self._waiting:
            project, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[project] = queue  # behind the others
            if not turn.done():
                self._free -= 1
                turn.set_result(None)
