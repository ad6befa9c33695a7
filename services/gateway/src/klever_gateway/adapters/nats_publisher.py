"""Publishing for people who wait for an answer."""

from typing import Any

from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource
from kleverkit.publisher import EventPublisher
from kleverproto.envelope import Event


class ConnectedPublisher:
    """Refuses at once while NATS is away.

    The NATS client keeps what is published without a connection and sends it later: the person who was told that the
    request failed would see it happen.
    """

    def __init__(self, publisher: EventPublisher, client: ClientSource) -> None:
        self._publisher = publisher
        self._client = client

    async def publish(self, event: Event[Any]) -> None:
        """See `kleverkit.publisher.EventPublisher`."""
        if not self._client.is_connected:
            raise TransientError("NATS cannot be reached, so nothing was stored: try again in a moment")
        await self._publisher.publish(event)
