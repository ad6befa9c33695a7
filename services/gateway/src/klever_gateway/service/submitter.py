"""Stores accepted requests and shows the requested documents."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from klever_gateway.domain.preconditions import request_id
from klever_gateway.domain.rows import Collection, Row
from klever_gateway.ports import Projection, Requests
from kleverkit.errors import TransientError
from kleverproto.base import WireModel
from kleverproto.envelope import Event, EventSource

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Accepted:
    """The answer to an accepted request."""

    body: str
    """The requested document as JSON."""
    generation: int
    correlation_id: str
    """Correlation id of every event that results from the request; empty after a dry run."""


@dataclass(frozen=True, kw_only=True)
class Submitter:
    """Publishes requests and shows the requested documents before the owner has acted.

    Attributes:
        requests: stores the requests.
        projection: shows the requested documents.
        source: creates the events.
        new_id: returns a random id for each request: the same request twice is two requests.
        clock: returns the current time, timezone-aware.
    """

    requests: Requests
    projection: Projection
    source: EventSource
    new_id: Callable[[], str]
    clock: Callable[[], datetime]

    def event(self, data: WireModel) -> Event[Any]:
        """Create the event of a new request."""
        return self.source.event(data, event_id=self.new_id())

    def repeatable_event(self, data: WireModel, key: str | None, attempt: int = 0) -> Event[Any]:
        """Create the event of a request that a client may repeat with the same key. JetStream drops the repetition."""
        event_id = request_id(key, attempt) if key is not None else self.new_id()
        return self.source.event(data, event_id=event_id)

    async def submit(self, event: Event[Any], collection: Collection, row: Row) -> Accepted:
        """Store the request, then show the document. Raises TransientError if the request may not be stored."""
        sequence = await self.requests.store(event)
        return await self.show(event, collection, replace(row, sequence=sequence) if row.accepted else row)

    async def show(self, event: Event[Any], collection: Collection, row: Row) -> Accepted:
        """Show the document of a stored request."""
        if row.accepted:
            await self._show(collection, replace(row, revision=0, event_id=event.id))
        return Accepted(row.body, row.generation, event.correlation_id or event.id)

    async def _show(self, collection: Collection, row: Row) -> None:
        """Show the row if possible: a stored request is accepted even if it cannot be shown."""
        try:
            await self.projection.accept(collection, row)
        except TransientError as error:
            log.warning("an accepted request is not shown before it is handled", key=row.key, error=str(error))
