"""Events and their positions in their streams on NATS."""

from typing import Any

import nats.js.errors
from nats.js import api

from kleverkit.nats_calls import ClientSource, call
from kleverkit.publisher import NatsEventPublisher
from kleverproto.envelope import MESSAGE_ID, Event


class NatsAnnouncements:
    """See `Announcements`. Messages are read from the stream's leader: a replica may lag behind what was written."""

    def __init__(self, client: ClientSource, publisher: NatsEventPublisher) -> None:
        self._client = client
        self._publisher = publisher

    async def store(self, event: Event[Any]) -> int:
        """See `Announcements`."""
        return await self._publisher.store(event)

    async def find(self, event: Event[Any], position: int | None) -> int | None:
        """See `Announcements`."""
        stream = event.event_type.stream.name
        if position is not None:
            return position if _is(event, await self._message(stream, position)) else None
        following = 1
        while (message := await self._message(stream, following, event.nats_subject)) is not None:
            if _is(event, message):
                return message.seq
            following = (message.seq or following) + 1
        return None

    async def _message(self, stream: str, position: int, subject: str | None = None) -> api.RawStreamMsg | None:
        """The message at a position, or the next one from there with a subject."""
        js = self._client().jetstream()
        try:
            return await call(js.get_msg(stream, seq=position, subject=subject, next=subject is not None))
        except nats.js.errors.NotFoundError:
            return None


def _is(event: Event[Any], message: api.RawStreamMsg | None) -> bool:
    return message is not None and (message.headers or {}).get(MESSAGE_ID) == event.id
