"""Values that someone should look at."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Notices(Generic[T]):
    """Collects values until someone takes them; a value that is added twice is taken once."""

    def __init__(self) -> None:
        self._values: set[T] = set()
        self._added = asyncio.Event()

    def add(self, value: T) -> None:
        """Have this value looked at."""
        self._values.add(value)
        self._added.set()

    async def take(self) -> set[T]:
        """Wait until there is a value; all that there are."""
        await self._added.wait()
        self._added.clear()
        values, self._values = self._values, set()
        return values
