"""What every accepted request has in common."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from klever_gateway.domain.rows import Collection, Row
from klever_gateway.ports import Projection
from kleverkit.publisher import EventPublisher
from kleverproto.base import WireModel
from kleverproto.envelope import Event, EventSource


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
        publisher: stores the request.
        projection: shows the document as it will be.
        source: makes the events.
        new_id: gives a random id per request: the same request twice is two requests.
        clock: gives the present, aware.
    """

    publisher: EventPublisher
    projection: Projection
    source: EventSource
    new_id: Callable[[], str]
    clock: Callable[[], datetime]

    def event(self, data: WireModel) -> Event[Any]:
        """The event of a new request."""
        return self.source.event(data, event_id=self.new_id())

    async def submit(self, event: Event[Any], collection: Collection, row: Row) -> Written:
        """Store the request, then show the document. Raises TransientError, with nothing stored."""
        await self.publisher.publish(event)
        if row.accepted:
            await self.projection.accept(collection, row)
        return Written(row.body, row.generation, event.correlation_id or event.id)
