"""Ports: the interfaces that the use cases depend on."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from kleverkit.documents import Incarnation
from kleverproto.base import WireModel
from kleverproto.custom_resources import ResourceStatus
from kleverproto.envelope import Event
from kleverproto.jobs import JobLogged
from kleverproto.servings import ServingLogged

from .domain.positions import Interest, Loss, Mark, Position
from .domain.queries import ModelSummary, Page, ProjectSummary, Query
from .domain.resources.resource import Notice, Resource, ResourceKind, ResourceName
from .domain.rows import Collection, Row


class Projection(Protocol):
    """A copy of the buckets that can be queried, with the documents of accepted requests that have no answer yet.

    Every method raises TransientError if the copy cannot be read or written.
    """

    async def replace(
        self, collection: Collection, rows: Iterable[Row], incarnation: Incarnation, *, keep_missing: bool = False
    ) -> None:
        """Replace the collection with the content of the bucket; unanswered requests and stale rows stay.

        Args:
            collection: the collection to replace.
            rows: the bucket's documents and tombstones.
            incarnation: the incarnation of the bucket.
            keep_missing: keep documents that are not among the rows, and mark them as stale.
        """
        ...

    async def apply(self, collection: Collection, row: Row) -> None:
        """Apply one change of the bucket. Ignores an older revision of the same bucket."""
        ...

    async def last_incarnation(self, collection: Collection) -> Incarnation | None:
        """Return the incarnation of the bucket at the last applied change; None if the bucket was never read."""
        ...

    async def accept(self, collection: Collection, row: Row) -> None:
        """Show a requested document until the owner's arrives. Does nothing if that has arrived already."""
        ...

    async def accepted(self, collection: Collection) -> list[Row]:
        """Return the rows shown for requests that have no answer yet."""
        ...

    async def settle(self, collection: Collection, accepted: Row, owner: Row | None) -> None:
        """Replace the accepted row, if it is still shown, by the owner's row (None: show nothing)."""
        ...

    async def stale(self, collection: Collection) -> int:
        """Return the number of stale rows."""
        ...

    async def drop_stale(self, collection: Collection) -> None:
        """Remove the stale rows."""
        ...

    async def is_loaded(self, collection: Collection) -> bool:
        """Return whether the bucket was ever read. Before that, a missing row proves nothing."""
        ...

    async def get(self, collection: Collection, key: str) -> Row | None:
        """Return the row of an existing document, or None."""
        ...

    async def last(self, collection: Collection, key: str) -> Row | None:
        """Return the row of a document or of its tombstone, or None."""
        ...

    async def find(self, collection: Collection, query: Query) -> Page:
        """Return the documents that match, without tombstones."""
        ...

    async def counts(self, collection: Collection, *columns: str) -> dict[tuple[str, ...], int]:
        """Return the number of documents by the values of these columns, without tombstones."""
        ...

    async def projects(self, *, start: int, limit: int) -> tuple[int, list[ProjectSummary]]:
        """Return the number of projects, and one page of them, sorted by name."""
        ...

    async def models(self, project: str, *, start: int, limit: int) -> tuple[int, list[ModelSummary]]:
        """Return the number of models of a project, and one page of them, sorted by name."""
        ...


class Requests(Protocol):
    """Stores accepted requests until their owners have handled them."""

    async def store(self, event: Event[Any]) -> int:
        """Store a request and return its sequence number in its stream.

        Raises:
            TransientError: the request may not be stored.
        """
        ...

    async def is_waiting(self, stream: str, sequence: int, event_id: str) -> bool:
        """Return whether a request is still to be handled: False if its stream lost it. Raises TransientError."""
        ...


@dataclass(frozen=True)
class Entry:
    """An event and its position."""

    stream: str
    mark: Mark
    event: Event[Any]


@dataclass(frozen=True)
class Gap:
    """Events of a stream may be missing here. Reading resumes after the mark."""

    stream: str
    mark: Mark
    loss: Loss


Logged = JobLogged | ServingLogged
NextStep = Callable[[], Awaitable[Entry | Gap]]


class EventLog(Protocol):
    """The streams of events, readable from any position."""

    async def end(self) -> Position:
        """Return the position of the last event of each stream. Raises TransientError."""
        ...

    def follow(self, after: Position, interest: Interest) -> AbstractAsyncContextManager[NextStep]:
        """Read the events after a position while the context is open, each one only when the caller requests it.

        Reading survives a lost connection, a deleted consumer and a restarted server: each event is returned once.
        A `Gap` marks a place where events may be missing.
        """
        ...

    async def recent(self, interest: Interest, limit: int) -> list[Entry]:
        """Return the newest events of interest, oldest first. Raises TransientError."""
        ...

    def read_log(self, log: str, is_over: Callable[[], Awaitable[bool]]) -> AsyncGenerator[Logged, None]:
        """Yield the lines published under a log's subject, and new ones until `is_over` returns True.

        The caller may pause between lines. Raises TransientError if NATS stays unreachable or lines are missing.
        """
        ...


class ResourceStore(Protocol):
    """The custom resources of a cluster: a copy that is kept up to date, and writes.

    Writes raise TransientError if the cluster does not respond, or if the resource was deleted or has changed since it
    was read, and PermanentError if the cluster refuses.
    """

    def following(self, changed: Callable[[ResourceName], None]) -> AbstractAsyncContextManager[None]:
        """Read all resources, and follow their changes while the context is open. Entering raises as writes do.

        Args:
            changed: called with the name of each resource that was added, changed or removed.
        """
        ...

    def manages(self, namespace: str) -> bool:
        """Return whether the platform manages the resources of a namespace. It ignores all others."""
        ...

    def find(self, name: ResourceName) -> Resource | None:
        """Return a resource of the copy, or None."""
        ...

    def resources(self, kind: ResourceKind) -> list[Resource]:
        """Return the resources of the copy."""
        ...

    async def hold(self, resource: Resource) -> Resource:
        """Let the cluster keep the resource, once it is deleted, until it is released."""
        ...

    async def release(self, resource: Resource) -> None:
        """Let the cluster remove the deleted resource. No effect if it is gone."""
        ...

    async def write_status(self, resource: Resource, status: ResourceStatus) -> Resource:
        """Replace the status."""
        ...

    async def create(self, name: ResourceName, spec: WireModel, labels: Mapping[str, str]) -> Resource:
        """Create a resource. Returns the present one if it exists already."""
        ...

    async def delete(self, resource: Resource) -> None:
        """Delete the resource. No effect if it is gone."""
        ...

    async def publish(self, resource: Resource, notice: Notice) -> None:
        """Publish an Event of Kubernetes about the resource. The same notice is published once for each version."""
        ...
