"""The models on this machine: those that are needed stay, the others make room."""

import asyncio
from collections.abc import Collection
from typing import Protocol
from weakref import WeakValueDictionary

import structlog

from klever_deployer.domain.versions import ModelSource

from .replica_specs import LocalModel

log = structlog.get_logger(__name__)


class ModelStore(Protocol):
    """Models on a disk, by digest."""

    async def find(self, digest: str) -> LocalModel | None:
        """The model if it is here."""
        ...

    async def fetch(self, source: ModelSource) -> LocalModel:
        """The model, pulled if it is not here. Raises ServingError (`pull_failed`, …), TransientError."""
        ...

    async def digests(self) -> set[str]:
        """The models that are here."""
        ...

    async def remove(self, digest: str) -> None:
        """Remove a model; nothing happens where it is not here."""
        ...


class Shelf:
    """A model store in which nothing is removed that is being prepared.

    Args:
        store: the models.
    """

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._used: set[str] = set()
        """Asked for since the last clearing: a server may be about to start with it."""

    async def find(self, digest: str) -> LocalModel | None:
        """The model if it is here."""
        async with self._use(digest):
            return await self._store.find(digest)

    async def get(self, source: ModelSource) -> LocalModel:
        """The model, pulled if it is not here. Raises as `ModelStore.fetch`."""
        async with self._use(source.digest):
            return await self._store.find(source.digest) or await self._store.fetch(source)

    async def retain(self, digests: Collection[str]) -> None:
        """Remove the models that are none of these and that nobody has asked for since the clearing before."""
        used, self._used = self._used, set()
        for digest in sorted(await self._store.digests() - set(digests)):
            async with self._lock(digest):
                if digest not in used | self._used:
                    log.info("removing a model that no serving needs", digest=digest)
                    await self._store.remove(digest)

    def _use(self, digest: str) -> asyncio.Lock:
        self._used.add(digest)
        return self._lock(digest)

    def _lock(self, digest: str) -> asyncio.Lock:
        return self._locks.setdefault(digest, asyncio.Lock())
