"""What the use cases need from outside."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from kleverkit.documents import Incarnation
from kleverproto.envelope import Event
from kleverproto.jobs import JobLogged
from kleverproto.servings import ServingLogged

from .domain.positions import Interest, Loss, Mark, Position
from .domain.queries import ModelSummary, Page, ProjectSummary, Query
from .domain.rows import Collection, Row


class Projection(Protocol):
    """A copy of the buckets that can be queried, and what was accepted but not answered yet.

    Every method raises TransientError where the copy can be neither read nor written.
    """

    async def replace(
        self, collection: Collection, rows: Iterable[Row], incarnation: Incarnation, *, keep_missing: bool = False
    ) -> None:
        """Make the collection what the bucket holds now; unanswered requests stay, and so do stale rows.

        Args:
            collection: which one.
            rows: the bucket's documents and tombstones.
            incarnation: which bucket this is.
            keep_missing: keep documents that are not among the rows, as stale.
        """
        ...

    async def apply(self, collection: Collection, row: Row) -> None:
        """Take one change of the bucket; an older revision of the same bucket is ignored."""
        ...

    async def remembered(self, collection: Collection) -> Incarnation | None:
        """The bucket that the rows are from, at the last change that was applied; None if it was never read."""
        ...

    async def accept(self, collection: Collection, row: Row) -> None:
        """Show a requested document until the owner's arrives; nothing if that is here already."""
        ...

    async def accepted(self, collection: Collection) -> list[Row]:
        """What is shown for requests that are not answered yet."""
        ...

    async def settle(self, collection: Collection, accepted: Row, owner: Row | None) -> None:
        """Show what the owner has (None: nothing) instead of what was accepted, if that is still shown."""
        ...

    async def stale(self, collection: Collection) -> int:
        """How many stale rows are shown."""
        ...

    async def drop_stale(self, collection: Collection) -> None:
        """Show no stale rows any more."""
        ...

    async def is_loaded(self, collection: Collection) -> bool:
        """Whether the bucket was ever read, so that what is missing is missing there too."""
        ...

    async def get(self, collection: Collection, key: str) -> Row | None:
        """The row of a document that there is."""
        ...

    async def last(self, collection: Collection, key: str) -> Row | None:
        """The row of a document, or of its tombstone."""
        ...

    async def find(self, collection: Collection, query: Query) -> Page:
        """Documents that match, tombstones left out."""
        ...

    async def projects(self, *, start: int, limit: int) -> tuple[int, list[ProjectSummary]]:
        """How many projects there are, and some of them by name."""
        ...

    async def models(self, project: str, *, start: int, limit: int) -> tuple[int, list[ModelSummary]]:
        """How many models a project has, and some of them by name."""
        ...


class Requests(Protocol):
    """Where accepted requests are stored until their owners have handled them."""

    async def store(self, event: Event[Any]) -> int:
        """Store a request; its position in its stream.

        Raises:
            TransientError: the request is not known to be stored.
        """
        ...

    async def is_waiting(self, stream: str, sequence: int, event_id: str) -> bool:
        """Whether a request has yet to be handled. One that was lost with its stream has not. Raises TransientError."""
        ...


@dataclass(frozen=True)
class Entry:
    """An event and its position."""

    stream: str
    mark: Mark
    event: Event[Any]


@dataclass(frozen=True)
class Gap:
    """Events of a stream may be missing here; reading resumes behind the mark."""

    stream: str
    mark: Mark
    loss: Loss


Logged = JobLogged | ServingLogged
NextStep = Callable[[], Awaitable[Entry | Gap]]


class EventLog(Protocol):
    """The streams of events, to be read from any point on."""

    async def end(self) -> Position:
        """The last event of each stream. Raises TransientError."""
        ...

    def follow(self, after: Position, interest: Interest) -> AbstractAsyncContextManager[NextStep]:
        """Events after a position, for as long as the context is open; reads no further than the caller requests.

        A lost connection, a deleted consumer and a restarted server interrupt nothing: each event comes once. Where
        events may be missing a `Gap` says so.
        """
        ...

    async def recent(self, interest: Interest, limit: int) -> list[Entry]:
        """The newest events of interest, oldest first. Raises TransientError."""
        ...

    def written(self, log: str, is_over: Callable[[], Awaitable[bool]]) -> AsyncGenerator[Logged, None]:
        """What was written under a subject of the logs, and what is until it is over.

        A caller may pause for as long as it likes. Raises TransientError where NATS stays away, or lines are missing.
        """
        ...
