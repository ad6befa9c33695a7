"""Completes the deletions that a crash has interrupted, and removes old tombstones."""

import asyncio

import structlog

from kleverkit.documents import Unreadable

from .ledger import Ledger

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 600.0
"""Between two looks at all tombstones; a deletion that was interrupted is repaired by its redelivery before that."""


class Deletions:
    """Looks at all tombstones now and then."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.unreadable: frozenset[str] = frozenset()
        """Keys of the jobs that cannot be read, as another release wrote them or damaged; they are left alone."""

    async def repair(self) -> None:
        """Announce what is not announced; remove what is old. Raises TransientError."""
        listing = await self._ledger.documents.listing()
        self._note(listing.unreadable)
        await self._ledger.deletions.sweep(listing.buried)

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
