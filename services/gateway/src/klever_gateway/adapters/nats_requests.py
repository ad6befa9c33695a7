"""Requests in JetStream, for clients that wait for a response."""

from typing import Any

import nats.js.errors

from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource, call
from kleverkit.publisher import NatsEventPublisher
from kleverproto.envelope import Event, InvalidEventError, parse
from kleverproto.streams import CONSUMERS


class NatsRequests:
    """See `klever_gateway.ports.Requests`.

    Args:
        publisher: stores events.
        client: returns the connected client.
    """

    def __init__(self, publisher: NatsEventPublisher, client: ClientSource) -> None:
        self._publisher = publisher
        self._client = client

    async def store(self, event: Event[Any]) -> int:
        """See `Requests`. Fails immediately while NATS is unreachable.

        Without a connection, the NATS client buffers messages and sends them later: a request that was reported as
        failed would be carried out.
        """
        if not self._client.is_connected:
            raise TransientError("NATS cannot be reached, so nothing was stored: try again in a moment")
        return await self._publisher.store(event)

    async def is_waiting(self, stream: str, sequence: int, event_id: str) -> bool:
        """See `Requests`."""
        subject = await self._subject(stream, sequence, event_id)
        return subject is not None and await self._is_unhandled(stream, sequence, subject)

    async def _subject(self, stream: str, sequence: int, event_id: str) -> str | None:
        """Return the request's subject; None if the stream does not contain the request."""
        try:
            message = await call(self._client().jetstream().get_msg(stream, sequence))
            stored = parse(message.headers or {}, message.data or b"")
        except (nats.js.errors.NotFoundError, InvalidEventError):
            return None
        return message.subject if stored.id == event_id else None

    async def _is_unhandled(self, stream: str, sequence: int, subject: str) -> bool:
        durables = [each.durable for each in CONSUMERS if each.stream == stream and _matches(each.subject, subject)]
        return any([await call(self._is_before(stream, durable, sequence)) for durable in durables])

    async def _is_before(self, stream: str, durable: str, sequence: int) -> bool:
        """Return whether a message is unhandled by a consumer. A consumer that does not exist yet handles it later."""
        try:
            info = await self._client().jetstream().consumer_info(stream, durable)
        except nats.js.errors.NotFoundError:
            return True
        handled = info.ack_floor.stream_seq if info.ack_floor else 0
        return handled < sequence and bool(info.num_pending or info.num_ack_pending)


def _matches(subjects: str, subject: str) -> bool:
    """Return whether a subject matches a consumer's filter, which always ends in `>`."""
    return subject.startswith(subjects.removesuffix(">"))
