"""Deletes documents of a bucket by the protocol of `kleverproto.deletions`, for all owners of buckets."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Generic, TypeAlias

from kleverproto import deletions
from kleverproto.documents import Tombstone

from .documents import Buried, Decision, DocT, Documents, Stored, change

Present: TypeAlias = Stored[DocT] | Buried[DocT] | None
"""The entry of a key: a document, a tombstone, or None."""


class _UnannouncedError(Exception, Generic[DocT]):
    def __init__(self, tombstone: Tombstone[DocT]) -> None:
        super().__init__()
        self.tombstone = tombstone


class Deletions(Generic[DocT]):
    """The deletions of one bucket. Each is published before its tombstone is removed, even if the process crashes.

    All methods raise TransientError if the bucket or the stream does not respond.

    Args:
        documents: the bucket.
        announce: publishes the event of a deletion; the same tombstone always has the same event id.
        clock: returns the present time as an aware datetime.
        change_document: changes a document; by default by compare-and-set in the bucket.
    """

    def __init__(
        self,
        documents: Documents[DocT],
        announce: Callable[[str, Tombstone[DocT]], Awaitable[None]],
        clock: Callable[[], datetime],
        change_document: Callable[[str, Decision[DocT]], Awaitable[Present[DocT]]] | None = None,
    ) -> None:
        self._documents = documents
        self._announce = announce
        self._clock = clock
        self._change = change_document or partial(change, documents)

    async def change(self, key: str, decide: Decision[DocT]) -> Present[DocT]:
        """Change an entry; the deletion of a tombstone that is replaced is published first.

        Returns:
            The stored entry, or None if there is none.
        """
        while True:
            try:
                return await self._change(key, partial(_decide_in_order, decide))
            except _UnannouncedError as error:
                await self.finish(key, error.tombstone)

    async def finish(self, key: str, tombstone: Tombstone[DocT]) -> None:
        """Publish a recorded deletion, and record that it is published. No effect if it is published already."""
        if tombstone.announced:
            return
        await self._announce(key, tombstone)
        await self._change(key, lambda known: deletions.announced(known, tombstone))

    async def sweep(self, buried: Iterable[Buried[DocT]]) -> None:
        """Finish interrupted deletions, and remove expired tombstones.

        Args:
            buried: all or some tombstones of a listing.
        """
        now = self._clock()
        for each in buried:
            if deletions.is_expired(each.tombstone, now):
                await self._documents.forget(each.key, each.revision)
            await self.finish(each.key, each.tombstone)


def _decide_in_order(decide: Decision[DocT], known: DocT | Tombstone[DocT] | None) -> DocT | Tombstone[DocT] | None:
    wanted = decide(known)
    if wanted is not None and isinstance(known, Tombstone) and not known.announced:
        raise _UnannouncedError(known)
    return wanted
