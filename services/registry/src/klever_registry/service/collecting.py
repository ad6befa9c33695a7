"""Garbage collection: removes the blobs that nothing needs, while clients go on pushing.

A push uses every blob before its manifest names it (upload, mount, HEAD, and once more when the manifest comes). The
blobs are listed first, then the manifests, and a blob is removed only if nobody used it since: so whatever a manifest
names was either found with it, or is younger than the grace period, or the manifest is refused.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from klever_registry.domain.garbage import needed, unneeded
from klever_registry.domain.index import RepositoryIndex
from klever_registry.errors import ManifestInvalidError
from klever_registry.ports import Inventory, ManifestStore

log = structlog.get_logger(__name__)


class Collector:
    """The sweeper of the registry's disk."""

    def __init__(
        self, *, inventory: Inventory, manifests: ManifestStore, grace: timedelta, clock: Callable[[], datetime]
    ) -> None:
        self._inventory = inventory
        self._manifests = manifests
        self._grace = grace
        self._clock = clock

    async def run(self, pause_seconds: float) -> None:
        """Collect at once, and again after each pause."""
        while True:
            if removed := await self.collect():
                log.info("blobs that nothing needs were removed", count=removed)
            await asyncio.sleep(pause_seconds)

    async def collect(self) -> int:
        """Collect once; the number of blobs that repositories lost."""
        before = self._clock() - self._grace
        removed = sum([await self._collect(name, before) for name in await self._inventory.repositories()])
        await self._inventory.collect_orphans(before=before)
        return removed

    async def _collect(self, repository: str, before: datetime) -> int:
        used = await self._inventory.last_uses(repository)
        keep = await self._needed(repository)
        if keep is None:
            return 0
        garbage = unneeded(used, keep, before=before)
        return sum([await self._inventory.collect(repository, digest, before=before) for digest in garbage])

    async def _needed(self, repository: str) -> frozenset[str] | None:
        """What a repository must keep; None while one of its manifests cannot be read, so that nobody knows."""
        index = await self._manifests.index(repository) or RepositoryIndex()
        manifests = []
        for digest in index.manifests:
            try:
                manifest = await self._manifests.get(repository, digest)
            except ManifestInvalidError:
                manifest = None
            if manifest is None:
                log.warning("repository is not collected: a manifest is gone", repository=repository, digest=digest)
                return None
            manifests.append(manifest)
        return needed(index, manifests)
