"""What the use cases need from outside."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from kleverproto.envelope import Event
from kleverproto.jobs import JobLogged
from kleverproto.servings import ServingLogged

from .domain.positions import Interest, Loss, Mark, Position
from .domain.queries import ModelSummary, Page, ProjectSummary, Query
from .domain.rows import Collection, Row


class Projection(Protocol):
    """A copy of the buckets that can be queried, and what was accepted but not answered yet."""

    async def replace(self, collection: Collection, rows: Iterable[Row]) -> None:
        """Make the collection what the bucket holds now; unanswered requests stay."""
        ...

    async def apply(self, collection: Collection, key: str, row: Row | None, revision: int) -> None:
        """Take one change of the bucket (None: deleted); an older revision is ignored."""
        ...

    async def accept(self, collection: Collection, row: Row) -> None:
        """Show a requested document until the owner's arrives; nothing if that is here already."""
        ...

    async def is_loaded(self, collection: Collection) -> bool:
        """Whether the bucket was ever read, so that what is missing is missing there too."""
        ...

    async def get(self, collection: Collection, key: str) -> Row | None:
        """The row, tombstones included."""
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


@dataclass(frozen=True)
class Entry:
    """An event and where it lies."""

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
        """Events after a position, for as long as the context is open; reads no further than is asked for.

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
