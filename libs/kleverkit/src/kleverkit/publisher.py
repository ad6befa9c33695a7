"""The port for publishing events, and its adapters."""

from typing import Any, Protocol

import nats.errors
from faststream.exceptions import IncorrectState
from faststream.nats import NatsBroker

from kleverproto.envelope import Event, encode

from .errors import TooLargeError, TransientError
from .nats_calls import TOO_LARGE
from .tasks import cancellable


class EventPublisher(Protocol):
    """Publishes events to their streams."""

    async def publish(self, event: Event[Any]) -> None:
        """Store the event; a duplicate id within the stream's window is dropped.

        Raises:
            TransientError: the event may not be stored.
            TooLargeError: the event is larger than the limit for messages.
        """
        ...


class NatsEventPublisher:
    """Publishes to JetStream and waits until the server has stored the event."""

    def __init__(self, broker: NatsBroker, *, timeout_seconds: float = 5.0) -> None:
        self._broker = broker
        self._timeout = timeout_seconds

    async def publish(self, event: Event[Any]) -> None:
        """See `EventPublisher`."""
        await self.store(event)

    async def store(self, event: Event[Any]) -> int:
        """Like `publish`; returns the event's position in its stream."""
        headers, body = encode(event)
        try:
            stored = await cancellable(
                self._broker.publish(
                    body,
                    subject=event.nats_subject,
                    headers=headers,
                    stream=event.event_type.stream.name,
                    timeout=self._timeout,
                )
            )
        except IncorrectState as error:
            raise TransientError(f"{event.type} could not be stored: not connected to NATS yet") from error
        except nats.errors.MaxPayloadError as error:
            raise TooLargeError(f"{event.type} could not be stored: {TOO_LARGE}") from error
        except (nats.errors.Error, OSError) as error:
            raise TransientError(f"{event.type} could not be stored: {str(error) or type(error).__name__}") from error
        return stored.seq


class RecordingPublisher:
    """Records published events and drops duplicate ids, as JetStream does; for tests and for use without NATS."""

    def __init__(self) -> None:
        self.events: list[Event[Any]] = []

    async def publish(self, event: Event[Any]) -> None:
        """See `EventPublisher`."""
        if all(known.id != event.id for known in self.events):
            self.events.append(event)

    def data(self) -> list[Any]:
        """The payloads, in order."""
        return [event.data for event in self.events]
