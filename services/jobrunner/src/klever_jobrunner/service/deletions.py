"""Completes interrupted deletions, and removes old tombstones."""

import asyncio

import structlog

from kleverkit.documents import Unreadable

from .ledger import Ledger

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 600.0
"""Interval at which all tombstones are checked; usually a redelivery completes an interrupted deletion earlier."""


class Deletions:
    """Checks all tombstones periodically."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.unreadable: frozenset[str] = frozenset()
        """Keys of jobs that cannot be read, because they are damaged or of another release; they are not changed."""

    async def repair(self) -> None:
        """Publish unannounced deletions, and remove old tombstones. Raises TransientError."""
        listing = await self._ledger.documents.listing()
        self._note(listing.unreadable)
        await self._ledger.deletions.sweep(listing.buried)

    def _note(self, unreadable: tuple[Unreadable, ...]) -> None:
        for entry in unreadable:
            if entry.key not in self.unreadable:
                log.error("job not readable; it is not changed", key=entry.key, error=entry.why)
        self.unreadable = frozenset(entry.key for entry in unreadable)

    async def run(self) -> None:
        """Run the background loop."""
        while True:
            await self.repair()
            await asyncio.sleep(PAUSE_SECONDS)
