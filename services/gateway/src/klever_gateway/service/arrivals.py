"""Notifications of changes of the projection."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from klever_gateway.domain.rows import Collection

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Arrival:
    """A change of the projection.

    Attributes:
        collection: the collection that has changed.
        key: the key that has changed; None if all may have.
    """

    collection: Collection
    key: str | None = None


Listener = Callable[[Arrival], None]


class Arrivals:
    """Wakes the tasks that wait for a change, and calls the listeners."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._listeners: list[Listener] = []

    def announce(self, arrival: Arrival | None = None) -> None:
        """Report a change: runs the probe of every waiting task, and calls the listeners if the change is known."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if arrival is not None:
            for listener in self._listeners:
                listener(arrival)

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Call a listener with each change, while the context is open."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

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
