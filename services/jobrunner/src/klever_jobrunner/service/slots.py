"""A few slots for heavy jobs, shared fairly between projects."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

Turn = asyncio.Future[bool]
"""Waits for a slot; the result says whether there is one."""
Usage = Callable[[], Mapping[str, int]]
"""How many jobs each project has running on other jobrunners."""


def _none() -> Mapping[str, int]:
    return {}


class FairSlots:
    """Slots of this jobrunner. A free one goes to the project with the fewest jobs running anywhere; equals take turns.

    Args:
        size: how many there are.
        elsewhere: what runs on other jobrunners.
    """

    def __init__(self, size: int, elsewhere: Usage = _none) -> None:
        self._free = size
        self._elsewhere = elsewhere
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Turn]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, project: str, turn: Turn | None = None) -> AsyncIterator[bool]:
        """Hold a slot for the length of the block.

        Args:
            project: whose job it is for.
            turn: a future that the caller may set to False, to enter the block without a slot.

        Yields:
            Whether there is a slot.
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
            if turn.done() and not turn.cancelled() and turn.result():  # it was given a slot at the same moment
                self._release(project)
            else:
                self._withdraw(project, turn)
            raise
        if not has_slot:
            self._withdraw(project, turn)
        return has_slot

    def _withdraw(self, project: str, turn: Turn) -> None:
        turns = self._waiting.get(project, deque())
        with suppress(ValueError):  # it was skipped already
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
                self._waiting[project] = turns  # behind the others
            if not turn.done():  # else it was withdrawn a moment ago
                self._free -= 1
                self._held[project] += 1
                turn.set_result(True)

    def _next_project(self) -> str:
        elsewhere = self._elsewhere()
        return min(self._waiting, key=lambda project: self._held[project] + elsewhere.get(project, 0))
