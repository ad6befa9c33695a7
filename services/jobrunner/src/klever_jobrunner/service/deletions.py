"""A deletion that a crash has interrupted is announced later; a tombstone that has served its time is removed."""

import asyncio
from datetime import timedelta

import structlog

from klever_jobrunner.domain.life import Known, Tomb
from kleverkit.documents import Buried, Unreadable, change
from kleverproto.documents import Tombstone
from kleverproto.jobs import JobDeleted, JobDocument

from .ledger import Ledger

log = structlog.get_logger(__name__)

TOMBSTONE_AGE = timedelta(hours=1)
"""No request is late by more than this."""
PAUSE_SECONDS = 600.0
"""Between two looks at all tombstones; a deletion that was interrupted is repaired by its redelivery before that."""


class Deletions:
    """The second half of each deletion."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.unreadable: frozenset[str] = frozenset()
        """Keys of the jobs that cannot be read, as another release wrote them or damaged; they are left alone."""

    async def announce(self, buried: Buried[JobDocument]) -> None:
        """Publish a deletion that is not known to be published, and remember that it is. Raises TransientError."""
        tombstone = buried.tombstone
        if tombstone.announced:
            return
        if tombstone.document and tombstone.intent:
            deleted = JobDeleted(id=tombstone.document.id, spec=tombstone.document.spec)
            await self._ledger.publish(tombstone.intent, deleted)
        await change(self._ledger.documents, buried.key, lambda known: _announced(known, tombstone))

    async def repair(self) -> None:
        """Announce what is not announced; remove what is old. Raises TransientError."""
        oldest = self._ledger.clock() - TOMBSTONE_AGE
        listing = await self._ledger.documents.listing()
        self._note(listing.unreadable)
        for buried in listing.buried:
            if not buried.tombstone.announced:
                await self.announce(buried)
            elif buried.tombstone.deleted_at < oldest:
                await self._ledger.documents.forget(buried.key, buried.revision)

    def _note(self, unreadable: tuple[Unreadable, ...]) -> None:
        for entry in unreadable:
            if entry.key not in self.unreadable:
                log.error("a job cannot be read and is left alone", key=entry.key, error=entry.why)
        self.unreadable = frozenset(entry.key for entry in unreadable)

    async def run(self) -> None:
        """The background loop."""
        while True:
            await self.repair()
            await asyncio.sleep(PAUSE_SECONDS)


def _announced(known: Known, tombstone: Tomb) -> Tomb | None:
    """The tombstone, its deletion announced; None where another one has taken its place meanwhile."""
    if isinstance(known, Tombstone) and known.intent == tombstone.intent:
        return known.replace(announced=True)
    return None
