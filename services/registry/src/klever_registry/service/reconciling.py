"""Compares the registry with the catalogue: what the registry has wins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import structlog

from klever_registry.domain import catalogue
from klever_registry.ports import ManifestStore, Uploads
from kleverkit.documents import Documents
from kleverkit.errors import ConflictError
from kleverproto.documents import Tombstone
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef

from .announcing import model_ref
from .pending import PendingTags

log = structlog.get_logger(__name__)


class Reconciler:
    """Finds what a crash left half done: pushes and deletions that were not told, uploads that nobody ends."""

    def __init__(
        self,
        *,
        manifests: ManifestStore,
        uploads: Uploads,
        documents: Documents[ModelDocument],
        pending: PendingTags,
        address: str,
        upload_ttl: timedelta,
    ) -> None:
        self._manifests = manifests
        self._uploads = uploads
        self._documents = documents
        self._pending = pending
        self._address = address
        self._upload_ttl = upload_ttl

    async def run(self, pause_seconds: float) -> None:
        """Compare at once, and again after each pause."""
        while True:
            await self.reconcile()
            await asyncio.sleep(pause_seconds)

    async def reconcile(self) -> None:
        """Compare once. Raises TransientError."""
        documents = [stored.document for stored in await self._documents.all()]
        tags = {ref: digest async for ref, digest in self._tags()}
        for ref in sorted(catalogue.differing(tags, documents, self._address), key=str):
            self._pending.add_unless_waiting(ref)
        if purged := await self._uploads.purge(self._upload_ttl):
            log.info("abandoned uploads thrown away", count=purged)

    async def rebuild(self) -> int:
        """Forget what the catalogue says of this registry and make it anew; how many tags there are.

        Metadata come from manifests and configs, signatures from the referrers beside the models. Every version is
        announced once more. Raises TransientError.
        """
        tags = {ref: digest async for ref, digest in self._tags()}
        for stored in await self._documents.all():
            spec = stored.document.spec
            if spec.registry == self._address or spec.ref in tags:
                with suppress(ConflictError):  # it is being written now, from what the registry has now
                    gone = Tombstone[ModelDocument](
                        document=stored.document, announced=True, deleted_at=stored.document.updated_at
                    )
                    await self._documents.bury(stored.key, gone, stored.revision)
        await self.reconcile()
        return len(tags)

    async def _tags(self) -> AsyncIterator[tuple[ModelRef, str]]:
        for repository in await self._manifests.repositories():
            index = await self._manifests.index(repository)
            for tag, digest in (index.tags if index else {}).items():
                ref = model_ref(repository, tag)
                if ref is not None:
                    yield ref, digest
