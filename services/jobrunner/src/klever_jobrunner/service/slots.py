"""Slots for heavy jobs, shared fairly between projects."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

Turn = asyncio.Future[bool]
"""A future that waits for a slot; the result is False if the slot is no longer needed."""
Usage = Callable[[], Mapping[str, int]]
"""Returns the number of jobs of each project that run on other jobrunners."""


def _no_usage() -> Mapping[str, int]:
    return {}


class FairSlots:
    """The slots of this jobrunner.

    A free slot goes to the project with the fewest running jobs on all jobrunners; equal projects take turns.

    Args:
        size: the number of slots.
        elsewhere: returns the usage of other jobrunners.
    """

    def __init__(self, size: int, elsewhere: Usage = _no_usage) -> None:
        self._free = size
        self._elsewhere = elsewhere
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, project: str, turn: Turn | None = None) -> AsyncIterator[bool]:
        """Hold a slot while the block runs.

        Args:
            project: the project of the job.
            turn: a future that the caller may set to False, to enter the block without a slot.

        Yields:
            True if a slot is held.
        """
        has_slot = await self._take(project, turn or asyncio.get_running_loop().create_future())
        try:
            yield has_slot
        finally:
            if has_slot:
                self._release(project)

    async def _take(self, project: str, turn: Turn) -> bool:
        self._waiting.setdefault(project, deque()).append(turn)
        self._assign()
        try:
            has_slot = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():  # a slot was assigned at the same moment
                self._release(project)
            else:
                self._withdraw(project, turn)
            raise
        if not has_slot:
            self._withdraw(project, turn)
        return has_slot

    def _withdraw(self, project: str, turn: Turn) -> None:
        turns = self._waiting.get(project, deque())
        with suppress(ValueError):  # already removed
            turns.remove(turn)
        if not turns:
            self._waiting.pop(project, None)

    def _release(self, project: str) -> None:
        self._free += 1
        self._held[project] -= 1
        if not self._held[project]:
            del self._held[project]
        self._assign()

    def _assign(self) -> None:
        while self._free and self._waiting:
            project = self._next_project()
            turns = self._waiting.pop(project)
            turn = turns.popleft()
            if turns:
                self._waiting[project] = turns  # moved behind the others
            if not turn.done():  # otherwise it was withdrawn meanwhile
                self._free -= 1
                self._held[project] += 1
                turn.set_result(True)

    def _next_project(self) -> str:
        elsewhere = self._elsewhere()
        return min(self._waiting, key=lambda project: self._held[project] + elsewhere.get(project, 0))
