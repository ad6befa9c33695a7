"""A bucket of documents in memory, for tests and for use without NATS."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Generic

from kleverproto.documents import Tombstone

from .documents import NEVER, Buried, Change, DocT, Incarnation, Listing, Snapshot, Stored, Unreadable
from .errors import ConflictError, TransientError


class InMemoryDocuments(Generic[DocT]):
    """See `kleverkit.documents.Documents`."""

    def __init__(self) -> None:
        self._entries: dict[str, Stored[DocT] | Buried[DocT]] = {}
        self._spoilt: dict[str, Unreadable] = {}
        self._revision = 0
        self._created = datetime.now(UTC)
        self._watchers: set[asyncio.Queue[Change[DocT]]] = set()

    async def get(self, key: str) -> Stored[DocT] | None:
        """See `Documents`."""
        entry = self._entries.get(key)
        return entry if isinstance(entry, Stored) else None

    async def find(self, key: str) -> Stored[DocT] | Buried[DocT] | None:
        """See `Documents`."""
        if key in self._spoilt:
            raise TransientError(f"{key} cannot be read: {self._spoilt[key].why}")
        return self._entries.get(key)

    async def listing(self) -> Listing[DocT]:
        """See `Documents`."""
        entries = [entry for _, entry in sorted(self._entries.items())]
        return Listing(
            tuple(self._stored()),
            tuple(each for each in entries if isinstance(each, Buried)),
            tuple(self._spoilt.values()),
        )

    def spoil(self, key: str) -> None:
        """Make the entry of a key unreadable, until the key is written again."""
        self._revision += 1
        self._entries.pop(key, None)
        self._spoilt[key] = Unreadable(key, self._revision, "it is not a document")

    async def create(self, key: str, document: DocT) -> int:
        """See `Documents`."""
        if isinstance(self._entries.get(key), Stored):
            raise ConflictError(f"{key} exists")
        return self._put(key, document)

    async def update(self, key: str, document: DocT, revision: int) -> int:
        """See `Documents`."""
        self._check(key, revision)
        return self._put(key, document)

    async def bury(self, key: str, tombstone: Tombstone[DocT], revision: int) -> int:
        """See `Documents`."""
        self._check(key, revision)
        self._revision += 1
        self._spoilt.pop(key, None)
        self._entries[key] = Buried(key, tombstone, self._revision)
        self._publish(Change(key, None, self._revision, tombstone))
        return self._revision

    async def forget(self, key: str, revision: int) -> None:
        """See `Documents`."""
        entry = self._entries.get(key)
        if isinstance(entry, Buried) and entry.revision == revision:
            del self._entries[key]

    async def changes(self) -> AsyncGenerator[Snapshot[DocT] | Change[DocT], None]:
        """See `Documents`."""
        queue: asyncio.Queue[Change[DocT]] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield Snapshot(tuple(self._stored()), await self.incarnation(), (await self.listing()).buried)
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    async def incarnation(self) -> Incarnation:
        """See `Documents`."""
        return Incarnation(self._created, self._revision)

    def _stored(self) -> list[Stored[DocT]]:
        return [entry for _, entry in sorted(self._entries.items()) if isinstance(entry, Stored)]

    def _check(self, key: str, revision: int) -> None:
        entry = self._spoilt.get(key) or self._entries.get(key)
        if (entry.revision if entry else NEVER) != revision:
            raise ConflictError(f"{key} is not at revision {revision}")

    def _put(self, key: str, document: DocT) -> int:
        self._revision += 1
        self._spoilt.pop(key, None)
        self._entries[key] = Stored(key, document, self._revision)
        self._publish(Change(key, document, self._revision))
        return self._revision

    def _publish(self, change: Change[DocT]) -> None:
        for queue in self._watchers:
            queue.put_nowait(change)
