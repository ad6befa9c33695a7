"""An index of the servings that follow a tag, from a watch of their bucket: an event reads only their documents."""

import asyncio
from typing import Protocol

from klever_deployer.domain.followed_tags import FollowIndex
from kleverkit.documents import Change, Documents, Snapshot
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument
from kleverroutes.versions import ServingName

from .records import name_of_key


class OwnFollowers(Protocol):
    """The servings that this process has stored itself; the watch may not have received them yet."""

    def followers(self, ref: ModelRef) -> frozenset[ServingName]:
        """The servings that follow a tag."""
        ...


class Followers:
    """Finds servings by the tags that they follow.

    Args:
        documents: the bucket of servings.
        own: the servings that this process has stored itself.
    """

    def __init__(self, documents: Documents[ServingDocument], own: OwnFollowers) -> None:
        self._documents = documents
        self._own = own
        self._index = FollowIndex()
        self._is_complete = asyncio.Event()

    async def run(self) -> None:
        """Watch the bucket, until cancelled."""
        async for step in self._documents.changes():
            if isinstance(step, Snapshot):
                self._replace(step)
            else:
                self._change(step)

    async def find(self, ref: ModelRef) -> frozenset[ServingName]:
        """Servings that may follow a tag; waits until all have been read. The documents themselves decide."""
        await self._is_complete.wait()
        return self._index.followers(ref) | self._own.followers(ref)

    def _replace(self, snapshot: Snapshot[ServingDocument]) -> None:
        self._index = FollowIndex()
        for stored in snapshot.documents:
            self._index.put(name_of_key(stored.key), stored.document.spec)
        self._is_complete.set()

    def _change(self, change: Change[ServingDocument]) -> None:
        spec = change.document.spec if change.document else None
        self._index.put(name_of_key(change.key), spec)
