"""Notifications about changed values."""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Notices(Generic[T]):
    """Collects values until they are taken; duplicates are merged."""

    def __init__(self) -> None:
        self._values: set[T] = set()
        self._added = asyncio.Event()

    def add(self, value: T) -> None:
        """Add a value, and wake a waiting `take`."""
        self._values.add(value)
        self._added.set()

    async def take(self) -> set[T]:
        """Wait until there are values, and return all of them."""
        await self._added.wait()
        self._added.clear()
        values, self._values = self._values, set()
        return values
