"""The catalogue's documents, and the events about them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import structlog

from kleverkit.deletions import Deletions
from kleverkit.documents import Documents, Stored
from kleverkit.errors import ConflictError
from kleverkit.publisher import EventPublisher
from kleverproto.documents import Tombstone
from kleverproto.envelope import Event, EventSource, derive_id
from kleverproto.models import ModelDeleted, ModelDocument, ModelPushed

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Records:
    """The catalogue, and the events that report its changes."""

    documents: Documents[ModelDocument]
    publisher: EventPublisher
    events: EventSource
    clock: Callable[[], datetime]

    @cached_property
    def deletions(self) -> Deletions[ModelDocument]:
        """The deletions of versions."""
        return Deletions(self.documents, self._announce_deletion, self.clock)

    async def withdraw(self, stored: Stored[ModelDocument]) -> None:
        """Delete a document and announce it, unless it was changed since it was read. Raises TransientError."""
        tombstone = Tombstone[ModelDocument](document=stored.document, deleted_at=self.clock())
        try:
            await self.documents.bury(stored.key, tombstone, stored.revision)
        except ConflictError:
            return
        await self.deletions.finish(stored.key, tombstone)

    async def tidy(self) -> None:
        """Finish the deletions that a crash interrupted, and remove old tombstones. Raises TransientError."""
        await self.deletions.sweep((await self.documents.listing()).buried)

    async def _announce_deletion(self, _key: str, tombstone: Tombstone[ModelDocument]) -> None:
        document = tombstone.document
        if document is None:
            return
        deleted = ModelDeleted(ref=document.spec.ref, digest=document.spec.digest)
        await self.publisher.publish(self.event(deleted, document))
        log.info("model deleted", ref=str(deleted.ref), digest=deleted.digest)

    def event(self, data: ModelPushed | ModelDeleted, document: ModelDocument) -> Event[ModelPushed | ModelDeleted]:
        """The id holds the time of the first push too: a deleted tag restarts at generation 1."""
        life = (document.created_at.isoformat(), str(document.generation))
        event_id = derive_id(type(data).__name__, data.ref.repository, data.ref.version, data.digest, *life)
        return self.events.event(data, event_id=event_id)
