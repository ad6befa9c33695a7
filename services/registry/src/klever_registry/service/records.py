"""The catalogue's documents, and how one is deleted: the same protocol for every owner of documents.

1. A tombstone takes the document's place, by compare-and-set. 2. ModelDeleted is published; its id derives from the
document. 3. The tombstone says that it is announced. 4. After a while it is forgotten. What a crash leaves unfinished
is finished by the reconciler, from the tombstones that are not announced.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from klever_registry.domain import catalogue
from kleverkit.documents import Buried, Documents, Stored, change
from kleverkit.errors import ConflictError
from kleverkit.publisher import EventPublisher
from kleverproto.documents import Tombstone
from kleverproto.envelope import Event, EventSource, derive_id
from kleverproto.models import ModelDeleted, ModelDocument, ModelPushed

log = structlog.get_logger(__name__)

TOMBSTONE_AGE = timedelta(hours=1)


@dataclass(frozen=True)
class Records:
    """The catalogue, and the events that tell of its changes."""

    documents: Documents[ModelDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]

    async def withdraw(self, stored: Stored[ModelDocument]) -> None:
        """Delete a document and announce it, unless it was changed since it was read. Raises TransientError."""
        tombstone = Tombstone[ModelDocument](document=stored.document, deleted_at=self.clock())
        try:
            revision = await self.documents.bury(stored.key, tombstone, stored.revision)
        except ConflictError:
            return
        await self.finish(Buried(stored.key, tombstone, revision))

    async def finish(self, buried: Buried[ModelDocument]) -> None:
        """Announce a deletion, unless that is done. Raises TransientError."""
        document = buried.tombstone.document
        if buried.tombstone.announced:
            return
        if document is not None:
            deleted = ModelDeleted(ref=document.spec.ref, digest=document.spec.digest)
            await self.publisher.publish(self.event(deleted, document))
            log.info("model deleted", ref=str(deleted.ref), digest=deleted.digest)
        await change(self.documents, buried.key, lambda present: catalogue.deletion_announced(present, document))

    async def tidy(self) -> None:
        """Finish the deletions that a crash interrupted, and forget old ones. Raises TransientError."""
        for buried in (await self.documents.listing()).buried:
            await self.finish(buried)
            if buried.tombstone.announced and buried.tombstone.deleted_at < self.clock() - TOMBSTONE_AGE:
                await self.documents.forget(buried.key, buried.revision)

    def event(self, data: ModelPushed | ModelDeleted, document: ModelDocument) -> Event[ModelPushed | ModelDeleted]:
        """The id holds the time of the first push too: a tag that was deleted begins anew at generation 1."""
        life = (document.created_at.isoformat(), str(document.generation))
        event_id = derive_id(type(data).__name__, data.ref.repository, data.ref.version, data.digest, *life)
        return self.events.event(data, event_id=event_id)
