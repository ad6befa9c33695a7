"""Garbage collection: removes unreferenced blobs while clients push.

A push uses every blob before its manifest refers to it (upload, mount, HEAD, and again when the manifest is stored).
The blobs are listed first, then the manifests, and a blob is removed only if it was not used since. Therefore each
blob of a manifest is either found by the listing, or is younger than the grace period, or the manifest is rejected.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from klever_registry.domain.garbage import referenced_digests, unused_digests
from klever_registry.domain.index import RepositoryIndex
from klever_registry.errors import StorageError
from klever_registry.ports import Inventory, ManifestStore, Uploads

log = structlog.get_logger(__name__)


class Collector:
    """Removes unreferenced blobs from the registry's disk.

    Args:
        inventory: all blobs.
        manifests: the manifests, which refer to blobs.
        grace: time for which an unreferenced blob is kept after its last use.
        clock: returns the current time, see `SteadyClock`.
        check_lease: called before each removal; raises NotLeaderError in a replica that may not remove blobs.
    """

    def __init__(
        self,
        *,
        inventory: Inventory,
        manifests: ManifestStore,
        grace: timedelta,
        clock: Callable[[], datetime],
        check_lease: Callable[[], None],
    ) -> None:
        self._check_lease = check_lease
        self._inventory = inventory
        self._manifests = manifests
        self._grace = grace
        self._clock = clock

    async def run(self, pause_seconds: float) -> None:
        """Collect immediately, and again after each pause."""
        while True:
            try:
                if removed := await self.collect():
                    log.info("unreferenced blobs removed", count=removed)
            except StorageError as error:
                log.error("unreferenced blobs are not removed", error=str(error))  # noqa: TRY400 - the message says it all
            await asyncio.sleep(pause_seconds)

    async def collect(self) -> int:
        """Collect once and return the number of removed blobs.

        Raises:
            StorageError: a manifest or an index cannot be read, so that its blobs are unknown. Nothing is removed.
            NotLeaderError: another replica may be collecting now.
        """
        before = self._clock() - self._grace
        garbage = {name: await self._garbage(name, before) for name in await self._inventory.repositories()}
        removed = [
            await self._remove(repository, digest, before)
            for repository, digests in garbage.items()
            for digest in digests
        ]
        return sum(removed)

    async def _remove(self, repository: str, digest: str, before: datetime) -> bool:
        self._check_lease()
        return await self._inventory.collect(repository, digest, before=before)

    async def _garbage(self, repository: str, before: datetime) -> list[str]:
        used = await self._inventory.last_uses(repository)
        return unused_digests(used, await self._needed(repository), before=before)

    async def _needed(self, repository: str) -> frozenset[str]:
        index = await self._manifests.index(repository) or RepositoryIndex()
        manifests = [await self._manifests.get(repository, digest) for digest in index.manifests]
        return referenced_digests(index, [manifest for manifest in manifests if manifest is not None])


async def purge_uploads(uploads: Uploads, older_than: timedelta, pause_seconds: float) -> None:
    """Remove abandoned uploads immediately, and again after each pause."""
    while True:
        try:
            if purged := await uploads.purge(older_than):
                log.info("abandoned uploads removed", count=purged)
        except StorageError as error:
            log.error("abandoned uploads are not removed", error=str(error))  # noqa: TRY400 - the message says it all
        await asyncio.sleep(pause_seconds)
