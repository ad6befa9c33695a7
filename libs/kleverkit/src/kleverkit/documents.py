"""The port for documents with compare-and-set and tombstones."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from kleverproto.base import WireModel
from kleverproto.documents import Tombstone

from .errors import ConflictError, TransientError

DocT = TypeVar("DocT", bound=WireModel)

CAS_ATTEMPTS = 20
"""Conflicts are rare; twenty in a row indicate another problem."""
NEVER = 0
"""Revision of a key that was never written."""


@dataclass(frozen=True)
class Stored(Generic[DocT]):
    """A document and the revision at which it was read."""

    key: str
    document: DocT
    revision: int


@dataclass(frozen=True)
class Buried(Generic[DocT]):
    """The tombstone of a document, and the revision at which it was read."""

    key: str
    tombstone: Tombstone[DocT]
    revision: int


@dataclass(frozen=True)
class Unreadable:
    """An entry that this release cannot parse, and the revision at which it was read."""

    key: str
    revision: int
    why: str


@dataclass(frozen=True)
class Listing(Generic[DocT]):
    """All entries of a bucket at one time."""

    documents: tuple[Stored[DocT], ...] = ()
    buried: tuple[Buried[DocT], ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True)
class Incarnation:
    """The identity of a bucket: a recreated bucket has another one, and its revisions restart.

    Attributes:
        created: time when the server created the bucket.
        last_sequence: revision of the last write.
    """

    created: datetime
    last_sequence: int


@dataclass(frozen=True)
class Change(Generic[DocT]):
    """One step of a bucket's history; `document` is None when the key was deleted."""

    key: str
    document: DocT | None
    revision: int
    tombstone: Tombstone[DocT] | None = None
    """The tombstone, if the key was deleted."""

    @property
    def deletion(self) -> Tombstone[DocT]:
        """The tombstone of a deleted key. Raises ValueError if the key was not deleted."""
        if self.tombstone is None:
            raise ValueError(f"{self.key} was not deleted")
        return self.tombstone


@dataclass(frozen=True)
class Snapshot(Generic[DocT]):
    """All documents at one time: the first item of `changes`, repeated when changes may have been missed."""

    documents: tuple[Stored[DocT], ...]
    incarnation: Incarnation
    """The bucket when the snapshot began; the snapshot contains all earlier writes."""
    buried: tuple[Buried[DocT], ...] = ()


class Documents(Protocol[DocT]):
    """A bucket of documents of one type. Every method raises TransientError if the bucket does not respond."""

    async def get(self, key: str) -> Stored[DocT] | None:
        """The present document; None if there is none, or a tombstone."""
        ...

    async def find(self, key: str) -> Stored[DocT] | Buried[DocT] | None:
        """The present document or tombstone; None if the key was never written."""
        ...

    async def listing(self) -> Listing[DocT]:
        """All present entries, or an error if the listing is incomplete; includes entries that cannot be read."""
        ...

    async def create(self, key: str, document: DocT) -> int:
        """Store the first revision, or the first after a tombstone; return it. Raises ConflictError if one exists."""
        ...

    async def update(self, key: str, document: DocT, revision: int) -> int:
        """Replace a revision; return the new one. Raises ConflictError if it is not the last one."""
        ...

    async def bury(self, key: str, tombstone: Tombstone[DocT], revision: int) -> int:
        """Replace a revision by a tombstone; return the new revision. Raises ConflictError.

        Use the revision NEVER for a key that was never written.
        """
        ...

    async def forget(self, key: str, revision: int) -> None:
        """Remove a tombstone permanently, unless the key was written since."""
        ...

    def changes(self) -> AsyncGenerator[Snapshot[DocT] | Change[DocT], None]:
        """Yield a snapshot, then every change, without end; a new snapshot if changes may have been missed."""
        ...

    async def incarnation(self) -> Incarnation:
        """The identity of the present bucket."""
        ...


Decision = Callable[[DocT | Tombstone[DocT] | None], DocT | Tombstone[DocT] | None]
"""A pure function from the stored entry (None if never written) to the new one, or None if nothing changes."""


async def change(documents: Documents[DocT], key: str, decide: Decision[DocT]) -> Stored[DocT] | Buried[DocT] | None:
    """Read, decide and write by compare-and-set; repeat after a conflict.

    Returns:
        The stored entry, or None if there is none.

    Raises:
        TransientError: the bucket does not respond, or the document changes too often.
    """
    for _ in range(CAS_ATTEMPTS):
        present = await documents.find(key)
        wanted = decide(_content(present))
        if wanted is None:
            return present
        try:
            return await write(documents, key, wanted, present.revision if present else NEVER)
        except ConflictError:
            continue
    raise TransientError(f"{key} was changed by others {CAS_ATTEMPTS} times while it was written")


async def mutate(
    documents: Documents[DocT], key: str, decide: Callable[[DocT | None], DocT | None]
) -> Stored[DocT] | None:
    """Like `change`, for documents that are never deleted: a tombstone is treated as None."""
    stored = await change(documents, key, lambda present: decide(None if isinstance(present, Tombstone) else present))
    return stored if isinstance(stored, Stored) else None


def _content(present: Stored[DocT] | Buried[DocT] | None) -> DocT | Tombstone[DocT] | None:
    if isinstance(present, Stored):
        return present.document
    return present.tombstone if present else None


async def write(
    documents: Documents[DocT], key: str, wanted: DocT | Tombstone[DocT], revision: int
) -> Stored[DocT] | Buried[DocT]:
    """Replace a revision by a document or a tombstone. Raises ConflictError if it is not the last one."""
    if isinstance(wanted, Tombstone):
        return Buried(key, wanted, await documents.bury(key, wanted, revision))
    return Stored(key, wanted, await documents.update(key, wanted, revision))
