"""The models on this machine: those that are needed stay, the others make room."""

import asyncio
from weakref import WeakValueDictionary

import structlog

from klever_deployer.domain.replicas import LocalModel
from klever_deployer.ports import ModelStore
from kleverproto.references import ModelRef

log = structlog.get_logger(__name__)


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

    async def fetch(self, ref: ModelRef, digest: str, registry: str) -> LocalModel:
        """The model, pulled if it is not here. Raises as `ModelStore.fetch`."""
        async with self._use(digest):
            return await self._store.fetch(ref, digest, registry)

    async def clear(self, needed: set[str]) -> None:
        """Remove the models that nobody needs and nobody has asked for since the clearing before.

        Args:
            needed: digests that servings need, all of which are known: what is not among them is removed.
        """
        used, self._used = self._used, set()
        for digest in sorted(await self._store.digests() - needed):
            async with self._lock(digest):
                if digest not in used | self._used:
                    log.info("removing a model that no serving needs", digest=digest)
                    await self._store.remove(digest)

    def _use(self, digest: str) -> asyncio.Lock:
        self._used.add(digest)
        return self._lock(digest)

    def _lock(self, digest: str) -> asyncio.Lock:
        return self._locks.setdefault(digest, asyncio.Lock())
