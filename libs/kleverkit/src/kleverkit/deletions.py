"""Deletes the documents of a bucket by the steps of `kleverproto.deletions`, for every owner of a bucket."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Generic, TypeAlias

from kleverproto import deletions
from kleverproto.documents import Tombstone

from .documents import Buried, Decision, DocT, Documents, Stored, change

Present: TypeAlias = Stored[DocT] | Buried[DocT] | None
"""What a bucket holds under a key."""


class _UnannouncedError(Exception, Generic[DocT]):
    def __init__(self, tombstone: Tombstone[DocT]) -> None:
        super().__init__()
        self.tombstone = tombstone


class Deletions(Generic[DocT]):
    """The deletions of one bucket: each is announced, wherever the process is killed, before its trace is lost.

    All methods raise TransientError where the bucket or the stream does not answer.

    Args:
        documents: the bucket.
        announce: publishes the event of the deletion of a key; the same tombstone again gives the same event.
        clock: gives the present as an aware datetime.
        change_document: changes a document; by compare-and-set in the bucket if absent.
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
        """Change what is stored; a deletion that is not announced yet is announced before its tombstone is replaced.

        Returns:
            What is stored afterwards, or None where nothing is.
        """
        while True:
            try:
                return await self._change(key, partial(_decide_in_order, decide))
            except _UnannouncedError as error:
                await self.finish(key, error.tombstone)

    async def finish(self, key: str, tombstone: Tombstone[DocT]) -> None:
        """Announce a deletion that is recorded, and record that it is announced; nothing where that is done."""
        if tombstone.announced:
            return
        await self._announce(key, tombstone)
        await self._change(key, lambda known: deletions.announced(known, tombstone))

    async def sweep(self, buried: Iterable[Buried[DocT]]) -> None:
        """Finish the deletions that a crash has interrupted, and remove expired tombstones.

        Args:
            buried: all tombstones of a listing, or some.
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
