"""The documents of the catalogue and their events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import structlog

from klever_registry.domain import catalogue
from klever_registry.ports import Announcements
from kleverkit.deletions import Deletions
from kleverkit.documents import Decision, Documents, Stored, change
from kleverkit.errors import ConflictError
from kleverkit.publisher import EventPublisher
from kleverproto.documents import Tombstone
from kleverproto.envelope import Event, EventSource, derive_id
from kleverproto.models import ModelDeleted, ModelDocument, ModelPushed
from kleverproto.streams import MODELS

from .copies import ModelCopies, Present

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Records:
    """The catalogue, a copy of each of its documents, and the events that report its changes.

    A document that the bucket lacks, without a tombstone, is lost: it is changed as its copy was.
    """

    documents: Documents[ModelDocument]
    copies: ModelCopies
    publisher: EventPublisher
    announcements: Announcements
    events: EventSource
    clock: Callable[[], datetime]

    @cached_property
    def deletions(self) -> Deletions[ModelDocument]:
        """The deletions of versions."""
        return Deletions(self.documents, self._announce_deletion, self.clock, self._change)

    async def change(self, key: str, decide: Decision[ModelDocument]) -> Present:
        """Change a version, as `kleverkit.deletions.Deletions.change`. Raises TransientError."""
        return await self.deletions.change(key, decide)

    async def get(self, key: str) -> Stored[ModelDocument] | None:
        """Return a version, restored if the bucket has lost it; None if there is none. Raises TransientError."""
        stored = await self.change(key, lambda _known: None)
        return stored if isinstance(stored, Stored) else None

    async def restore(self, *, is_older: bool) -> None:
        """Restore each document that the bucket has lost.

        Args:
            is_older: whether the bucket was restored from a backup, so that its documents may be older than the copies.

        Raises:
            TransientError: the bucket does not answer, or the copies cannot be read.
        """
        copies = await self.copies.store.all()
        hidden = {entry.key for entry in (await self.documents.listing()).unreadable}
        for key in copies.keys() - hidden:
            await self._change(key, lambda _known: None, is_older=is_older)
        listing = await self.documents.listing()
        await self.copies.compare([*listing.documents, *listing.buried])

    async def publish(
        self, event: Event[ModelPushed | ModelDeleted], changed_at: datetime, position: int | None = None
    ) -> int:
        """Publish an event, unless the stream has it; return its position.

        Args:
            event: the event.
            changed_at: when what it announces happened. The server itself drops an event that it got since, if that
                is not long ago.
            position: where the stream has it, if it was not lost.

        Raises:
            TransientError: the stream does not answer.
        """
        is_recent = timedelta(0) <= self.clock() - changed_at < MODELS.duplicate_window / 2
        if position is not None or not is_recent:
            position = await self.announcements.find(event, position)
            if position is not None:
                return position
        return await self.announcements.store(event)

    async def _change(self, key: str, decide: Decision[ModelDocument], *, is_older: bool = False) -> Present:
        copy = await self.copies.store.get(key)

        def decide_with_copy(
            known: ModelDocument | Tombstone[ModelDocument] | None,
        ) -> ModelDocument | Tombstone[ModelDocument] | None:
            lost = catalogue.restored(known, copy, is_older=is_older)
            if lost is None:
                return decide(known)
            log.warning("a version that the bucket has lost is restored", ref=str(lost.spec.ref))
            return decide(lost) or lost

        stored = await change(self.documents, key, decide_with_copy)
        await self.copies.update(stored, copy)
        return stored

    async def withdraw(self, stored: Stored[ModelDocument]) -> None:
        """Delete a document and publish the deletion, unless it was changed since then. Raises TransientError."""
        tombstone = Tombstone[ModelDocument](document=stored.document, deleted_at=self.clock())
        try:
            await self.documents.bury(stored.key, tombstone, stored.revision)
        except ConflictError:
            return
        await self.deletions.finish(stored.key, tombstone)

    async def tidy(self) -> None:
        """Finish deletions that a crash interrupted, and remove old tombstones. Raises TransientError."""
        await self.deletions.sweep((await self.documents.listing()).buried)

    async def _announce_deletion(self, _key: str, tombstone: Tombstone[ModelDocument]) -> None:
        document = tombstone.document
        if document is None:
            return
        deleted = ModelDeleted(ref=document.spec.ref, digest=document.spec.digest)
        is_restored = catalogue.needs_announcing(document)  # its deletion may have been announced before the loss
        await self.publish(self.event(deleted, document), document.created_at if is_restored else tombstone.deleted_at)
        log.info("model deleted", ref=str(deleted.ref), digest=deleted.digest)

    def event(self, data: ModelPushed | ModelDeleted, document: ModelDocument) -> Event[ModelPushed | ModelDeleted]:
        """Create an event. Its id includes the creation time, because a deleted tag restarts at generation 1."""
        life = (document.created_at.isoformat(), str(document.generation))
        event_id = derive_id(type(data).__name__, data.ref.repository, data.ref.version, data.digest, *life)
        return self.events.event(data, event_id=event_id)
