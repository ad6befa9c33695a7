"""Copies of the catalogue's documents, from which a version is restored if the bucket has lost it."""

from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from klever_registry.domain.catalogue import copied
from klever_registry.errors import StorageError
from klever_registry.ports import Copies, Locks
from kleverkit.documents import Buried, Documents, Stored
from kleverproto.models import ModelDocument
from kleverproto.streams import MODELS_BUCKET

log = structlog.get_logger(__name__)

Present = Stored[ModelDocument] | Buried[ModelDocument] | None


@dataclass
class ModelCopies:
    """Keeps a copy of each document of the catalogue.

    Attributes:
        documents: the catalogue.
        store: the copies.
        locks: replicas that share the copies write them in turn.
        is_complete: whether each document that was changed since the last full comparison has its copy.
    """

    documents: Documents[ModelDocument]
    store: Copies[ModelDocument]
    locks: Locks
    is_complete: bool = False

    async def update(self, stored: Present, copy: ModelDocument | None) -> None:
        """Make a copy follow its document. If the disk is full, that is done after the next comparison.

        An entry that is missing from the bucket may be lost, and a deletion that is not announced may be lost before
        it is: both leave the copy as it is.

        Args:
            stored: what was read or written last.
            copy: what was read of the copy.

        Raises:
            TransientError: the bucket does not answer.
        """
        if stored is None or not _differs(stored, copy):
            return
        try:
            async with self.locks.exclusive(MODELS_BUCKET.name):
                present = await self.documents.find(stored.key)  # another replica may have changed it since
                if isinstance(present, Stored):
                    await self.store.keep(stored.key, copied(present.document))
                elif present is not None and present.tombstone.announced:
                    await self.store.remove(stored.key)
        except StorageError as error:
            self.is_complete = False
            log.warning("copy of a document not written", key=stored.key, error=str(error))

    async def compare(self, stored: Iterable[Stored[ModelDocument] | Buried[ModelDocument]]) -> None:
        """Make all copies follow these documents and tombstones. Raises TransientError."""
        self.is_complete = True
        try:
            copies = await self.store.all()
            for each in stored:
                await self.update(each, copies.get(each.key))
        except BaseException:
            self.is_complete = False
            raise


def _differs(stored: Stored[ModelDocument] | Buried[ModelDocument], copy: ModelDocument | None) -> bool:
    if isinstance(stored, Buried):
        return stored.tombstone.announced and copy is not None
    return copied(stored.document) != copy
