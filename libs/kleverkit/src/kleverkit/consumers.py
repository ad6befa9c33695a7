"""Durable consumers, created as the contract specifies, and recreated at their last position (docs/adr/0019)."""

from typing import Any

import nats.js.errors
from nats.js import JetStreamContext, api

from kleverproto.streams import ConsumerSpec

from . import positions
from .positions import Position
from .provisioning import StreamPart

MAX_ACK_PENDING = 10_000
"""High, since messages that wait for a retry count too, and must not block the delivery of others."""


class ConsumerPart:
    """One durable consumer; see `provisioning.Part`.

    Args:
        spec: the consumer in the contract.
        stream: the consumer's stream, checked before the consumer.
    """

    def __init__(self, spec: ConsumerSpec, stream: StreamPart) -> None:
        self.name = spec.durable
        self._spec = spec
        self._stream = stream
        self._wanted: dict[str, Any] = {
            "filter_subject": spec.subject,
            "ack_wait": spec.ack_wait.total_seconds(),
            "max_deliver": -1,  # `Outcomes` counts deliveries, so that the last one can be dead-lettered
            "max_ack_pending": MAX_ACK_PENDING,
        }
        self._present: api.ConsumerConfig | None = None
        self._seen: Position | None = None
        self._last: Position | None = None

    async def exists(self, js: JetStreamContext) -> bool:
        """See `Part`."""
        self._present = None
        try:
            info = await js.consumer_info(self._spec.stream, self.name)
        except nats.js.errors.NotFoundError:
            return False
        self._present = info.config
        if self._stream.created is not None and info.ack_floor is not None:
            self._seen = Position(stream_created=self._stream.created, floor=info.ack_floor.stream_seq)
        return all(getattr(info.config, key) == value for key, value in self._wanted.items())

    async def create(self, js: JetStreamContext) -> None:
        """See `Part`."""
        if self._present is not None:
            await js.add_consumer(self._spec.stream, self._present.evolve(**self._wanted))
            return
        stream = await js.stream_info(self._spec.stream)
        last = self._last or await positions.load(js, self.name)
        start: dict[str, Any] = positions.start_after(last, stream)
        await js.add_consumer(
            self._spec.stream, api.ConsumerConfig(name=self.name, durable_name=self.name, **self._wanted, **start)
        )
        if (await js.stream_info(self._spec.stream)).created != stream.created:
            # The new stream's sequences restart, and the server would skip all messages before the start.
            await js.delete_consumer(self._spec.stream, self.name)
            raise nats.js.errors.Error(f"{self._spec.stream} was recreated meanwhile")

    async def save_state(self, js: JetStreamContext) -> None:
        """See `Part`: stores the position of the consumer."""
        if self._seen is not None and self._seen != self._last:
            await positions.save(js, self.name, self._seen)
            self._last = self._seen
