"""Keeps the models that are needed on this machine, and removes the others."""

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
        """The model, if it is on this machine."""
        ...

    async def fetch(self, source: ModelSource) -> LocalModel:
        """Pull the model if necessary, and return it. Raises ServingError (`pull_failed`, …), TransientError."""
        ...

    async def digests(self) -> set[str]:
        """The digests of all models on this machine."""
        ...

    async def remove(self, digest: str) -> None:
        """Remove a model, if it exists."""
        ...


class Shelf:
    """A model store that does not remove models while they are being prepared.

    Args:
        store: holds the models.
    """

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._used: set[str] = set()
        """Models used since the last removal: a server may be about to start with one."""

    async def find(self, digest: str) -> LocalModel | None:
        """The model, if it is on this machine."""
        async with self._use(digest):
            return await self._store.find(digest)

    async def get(self, source: ModelSource) -> LocalModel:
        """Pull the model if necessary, and return it. Raises as `ModelStore.fetch`."""
        async with self._use(source.digest):
            return await self._store.find(source.digest) or await self._store.fetch(source)

    async def retain(self, digests: Collection[str]) -> None:
        """Remove all models except these and those that were used since the previous removal."""
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
