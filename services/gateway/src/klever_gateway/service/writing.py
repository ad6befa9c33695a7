"""What every accepted request has in common."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from klever_gateway.domain.rows import Collection, Row
from klever_gateway.ports import Projection, Requests
from kleverkit.errors import TransientError
from kleverproto.base import WireModel
from kleverproto.envelope import Event, EventSource, derive_id

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Written:
    """The answer to an accepted request."""

    body: str
    """The document as it will be, as JSON."""
    generation: int
    correlation_id: str
    """Carried by every event that follows from the request."""


@dataclass(frozen=True, kw_only=True)
class Writing:
    """Publishes requests and shows their outcome before the owner has acted.

    Attributes:
        requests: stores the request.
        projection: shows the document as it will be.
        source: makes the events.
        new_id: gives a random id per request: the same request twice is two requests.
        clock: gives the present, aware.
    """

    requests: Requests
    projection: Projection
    source: EventSource
    new_id: Callable[[], str]
    clock: Callable[[], datetime]

    def event(self, data: WireModel) -> Event[Any]:
        """The event of a new request."""
        return self.source.event(data, event_id=self.new_id())

    def repeatable_event(self, data: WireModel, key: str | None, attempt: int = 0) -> Event[Any]:
        """The event of a request that a client may send again with the same key; JetStream drops the repetition."""
        event_id = derive_id("request", key, str(attempt)) if key is not None else self.new_id()
        return self.source.event(data, event_id=event_id)

    async def submit(self, event: Event[Any], collection: Collection, row: Row) -> Written:
        """Store the request, then show the document. Raises TransientError: the request is not known to be stored."""
        sequence = await self.requests.store(event)
        return await self.show(event, collection, replace(row, sequence=sequence) if row.accepted else row)

    async def show(self, event: Event[Any], collection: Collection, row: Row) -> Written:
        """Show the document of a request that is stored."""
        if row.accepted:
            await self._show(collection, replace(row, revision=0, event_id=event.id))
        return Written(row.body, row.generation, event.correlation_id or event.id)

    async def _show(self, collection: Collection, row: Row) -> None:
        """What is stored is accepted, also where it cannot be shown."""
        try:
            await self.projection.accept(collection, row)
        except TransientError as error:
            log.warning("an accepted request is not shown before it is handled", key=row.key, error=str(error))
