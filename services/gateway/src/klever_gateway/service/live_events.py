"""Live event streams of clients."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from klever_gateway.domain.positions import Interest, Position
from klever_gateway.errors import InvalidRequestError
from klever_gateway.ports import EventLog, NextStep


class LiveEvents:
    """Opens live event streams."""

    def __init__(self, event_log: EventLog) -> None:
        self._event_log = event_log
        self.clients = 0
        """The number of open streams."""

    async def start(self, last_event_id: str | None) -> Position:
        """Return the position at which a client starts: after the last event that it has received, or the present end.

        Raises:
            InvalidRequestError: the id was not issued by a gateway.
            TransientError: NATS does not answer.
        """
        position = Position.parse(last_event_id) if last_event_id else None
        if last_event_id and position is None:
            raise InvalidRequestError(
                f"Last-Event-ID {last_event_id!r} is not from this stream: leave it out to start with new events"
            )
        end = await self._event_log.end()
        return position or end

    @asynccontextmanager
    async def follow(self, after: Position, interest: Interest) -> AsyncIterator[NextStep]:
        """Read the events after a position."""
        self.clients += 1
        try:
            async with self._event_log.follow(after, interest) as next_step:
                yield next_step
        finally:
            self.clients -= 1
