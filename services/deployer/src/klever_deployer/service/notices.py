"""Servings that someone should look at."""

import asyncio

from klever_deployer.domain.replicas import ServingName


class Notices:
    """Collects servings until someone takes them."""

    def __init__(self) -> None:
        self._servings: set[ServingName] = set()
        self._some = asyncio.Event()

    def add(self, serving: ServingName) -> None:
        """Someone should look at this serving."""
        self._servings.add(serving)
        self._some.set()

    async def take(self) -> set[ServingName]:
        """Wait until there is some serving; all there are."""
        await self._some.wait()
        self._some.clear()
        servings, self._servings = self._servings, set()
        return servings
