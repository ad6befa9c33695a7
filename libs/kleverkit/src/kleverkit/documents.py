"""Documents with compare-and-set, and tombstones: the port that use cases see."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from kleverproto.base import WireModel
from kleverproto.documents import Tombstone

from .errors import ConflictError, TransientError

DocT = TypeVar("DocT", bound=WireModel)

CAS_ATTEMPTS = 20
"""Two writers of one document meet rarely; twenty rounds mean that something else is wrong."""
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
    """An entry that is not what this release understands, and the revision at which it was read."""

    key: str
    revision: int
    why: str


@dataclass(frozen=True)
class Listing(Generic[DocT]):
    """Everything in a bucket at one moment, by key."""

    documents: tuple[Stored[DocT], ...] = ()
    buried: tuple[Buried[DocT], ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True)
class Incarnation:
    """Which bucket this is: one that was deleted and created again is another one, and its revisions restart.

    Attributes:
        created: when the server created it.
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
    """Where the key was deleted."""

    @property
    def deletion(self) -> Tombstone[DocT]:
        """The tombstone of a key that was deleted."""
        if self.tombstone is None:
            raise ValueError(f"{self.key} was not deleted")
        return self.tombstone


@dataclass(frozen=True)
class Snapshot(Generic[DocT]):
    """All documents at one moment. Comes first from `changes`, and again whenever changes may have been missed."""

    documents: tuple[Stored[DocT], ...]
    incarnation: Incarnation
    """As it was when the snapshot began; all that was written until then is in it."""
    buried: tuple[Buried[DocT], ...] = ()


class Documents(Protocol[DocT]):
    """A bucket of documents of one type. Every method raises TransientError where the bucket does not answer."""

    async def get(self, key: str) -> Stored[DocT] | None:
        """The document now; None where there is none, or a tombstone."""
        ...

    async def find(self, key: str) -> Stored[DocT] | Buried[DocT] | None:
        """The document or its tombstone now; None where the key was never written."""
        ...

    async def listing(self) -> Listing[DocT]:
        """Everything now: complete, or an error; for those who know what to do where an entry cannot be read."""
        ...

    async def create(self, key: str, document: DocT) -> int:
        """Store a first revision, or the first after a tombstone; return it. Raises ConflictError where one exists."""
        ...

    async def update(self, key: str, document: DocT, revision: int) -> int:
        """Replace the revision that was read; return the new one. Raises ConflictError."""
        ...

    async def bury(self, key: str, tombstone: Tombstone[DocT], revision: int) -> int:
        """Replace the revision that was read by a tombstone; return the new revision. Raises ConflictError.

        The revision is NEVER for a key that was never written.
        """
        ...

    async def forget(self, key: str, revision: int) -> None:
        """Remove a tombstone for good, unless the key was written since."""
        ...

    def changes(self) -> AsyncGenerator[Snapshot[DocT] | Change[DocT], None]:
        """A snapshot, then every change, forever; a new snapshot whenever changes may have been missed."""
        ...

    async def incarnation(self) -> Incarnation:
        """Which bucket this is now."""
        ...


Decision = Callable[[DocT | Tombstone[DocT] | None], DocT | Tombstone[DocT] | None]
"""Pure: takes what is stored (None: nothing ever was) and returns what should be, or None to leave it as it is."""


async def change(documents: Documents[DocT], key: str, decide: Decision[DocT]) -> Stored[DocT] | Buried[DocT] | None:
    """Read, decide, write by compare-and-set; read again when another writer was first.

    Returns:
        What is stored afterwards, or None where nothing is.

    Raises:
        TransientError: the bucket does not answer, or the document changes too often.
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
    raise TransientError(f"{key} changed {CAS_ATTEMPTS} times while it was being written")


async def mutate(
    documents: Documents[DocT], key: str, decide: Callable[[DocT | None], DocT | None]
) -> Stored[DocT] | None:
    """As `change`, for those who never delete: a tombstone counts as nothing."""
    stored = await change(documents, key, lambda present: decide(None if isinstance(present, Tombstone) else present))
    return stored if isinstance(stored, Stored) else None


def _content(present: Stored[DocT] | Buried[DocT] | None) -> DocT | Tombstone[DocT] | None:
    if isinstance(present, Stored):
        return present.document
    return present.tombstone if present else None


async def write(
    documents: Documents[DocT], key: str, wanted: DocT | Tombstone[DocT], revision: int
) -> Stored[DocT] | Buried[DocT]:
    """Put a document or a tombstone in the place of a revision. Raises ConflictError where it was replaced already."""
    if isinstance(wanted, Tombstone):
        return Buried(key, wanted, await documents.bury(key, wanted, revision))
    return Stored(key, wanted, await documents.update(key, wanted, revision))
