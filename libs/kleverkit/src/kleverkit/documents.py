"""Documents with compare-and-set: the port that use cases see, and an in-memory adapter."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from kleverproto.base import WireModel

from .errors import ConflictError, TransientError

DocT = TypeVar("DocT", bound=WireModel)

CAS_ATTEMPTS = 20
"""Two writers of one document meet rarely; twenty rounds mean that something else is wrong."""


@dataclass(frozen=True)
class Stored(Generic[DocT]):
    """A document and the revision at which it was read."""

    key: str
    document: DocT
    revision: int


@dataclass(frozen=True)
class Change(Generic[DocT]):
    """One step of a bucket's history; `document` is None when the key was deleted."""

    key: str
    document: DocT | None
    revision: int


@dataclass(frozen=True)
class Snapshot(Generic[DocT]):
    """All documents at one moment. Comes first from `changes`, and again after a lost connection."""

    documents: tuple[Stored[DocT], ...]


class Documents(Protocol[DocT]):
    """A bucket of documents of one type."""

    async def get(self, key: str) -> Stored[DocT] | None:
        """The document now, or None. Raises TransientError."""
        ...

    async def all(self) -> list[Stored[DocT]]:
        """Every document now, by key. Raises TransientError."""
        ...

    async def create(self, key: str, document: DocT) -> int:
        """Store a first revision and return it. Raises ConflictError where the key exists, TransientError."""
        ...

    async def update(self, key: str, document: DocT, revision: int) -> int:
        """Replace the revision that was read; return the new one. Raises ConflictError, TransientError."""
        ...

    async def delete(self, key: str, revision: int) -> None:
        """Delete the revision that was read. Raises ConflictError, TransientError."""
        ...

    def changes(self) -> AsyncIterator[Snapshot[DocT] | Change[DocT]]:
        """A snapshot, then every change for ever; a new snapshot whenever changes may have been missed."""
        ...


async def mutate(
    documents: Documents[DocT], key: str, decide: Callable[[DocT | None], DocT | None]
) -> Stored[DocT] | None:
    """Read, decide, write by compare-and-set; read again when another writer was first.

    Args:
        documents: the bucket.
        key: the document's key.
        decide: pure; takes the present document (None: there is none) and returns the new one, or None to
            leave everything as it is.

    Returns:
        What is stored afterwards, or None where nothing is.

    Raises:
        TransientError: the bucket cannot be reached, or it is fought over.
    """
    for _ in range(CAS_ATTEMPTS):
        stored = await documents.get(key)
        wanted = decide(stored.document if stored else None)
        if wanted is None:
            return stored
        try:
            revision = (
                await documents.update(key, wanted, stored.revision) if stored else await documents.create(key, wanted)
            )
        except ConflictError:
            continue
        return Stored(key, wanted, revision)
    raise TransientError(f"{key} changed under us {CAS_ATTEMPTS} times in a row")


class InMemoryDocuments(Generic[DocT]):
    """A bucket in this process: for tests and for running without NATS."""

    def __init__(self) -> None:
        self._stored: dict[str, Stored[DocT]] = {}
        self._revision = 0
        self._watchers: set[asyncio.Queue[Change[DocT]]] = set()

    async def get(self, key: str) -> Stored[DocT] | None:
        """See `Documents`."""
        return self._stored.get(key)

    async def all(self) -> list[Stored[DocT]]:
        """See `Documents`."""
        return [self._stored[key] for key in sorted(self._stored)]

    async def create(self, key: str, document: DocT) -> int:
        """See `Documents`."""
        if key in self._stored:
            raise ConflictError(f"{key} exists")
        return self._put(key, document)

    async def update(self, key: str, document: DocT, revision: int) -> int:
        """See `Documents`."""
        self._check(key, revision)
        return self._put(key, document)

    async def delete(self, key: str, revision: int) -> None:
        """See `Documents`."""
        self._check(key, revision)
        del self._stored[key]
        self._revision += 1
        self._tell(Change(key, None, self._revision))

    async def changes(self) -> AsyncIterator[Snapshot[DocT] | Change[DocT]]:
        """See `Documents`."""
        queue: asyncio.Queue[Change[DocT]] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield Snapshot(tuple(self._stored[key] for key in sorted(self._stored)))
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    def _check(self, key: str, revision: int) -> None:
        stored = self._stored.get(key)
        if stored is None or stored.revision != revision:
            raise ConflictError(f"{key} is not at revision {revision}")

    def _put(self, key: str, document: DocT) -> int:
        self._revision += 1
        self._stored[key] = Stored(key, document, self._revision)
        self._tell(Change(key, document, self._revision))
        return self._revision

    def _tell(self, change: Change[DocT]) -> None:
        for queue in self._watchers:
            queue.put_nowait(change)
