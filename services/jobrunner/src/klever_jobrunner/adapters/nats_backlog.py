"""Reads the messages that JetStream has delivered but that were not acknowledged."""

import nats.js.errors
from nats.js import JetStreamContext

from klever_jobrunner.domain.requests import Request, request_of
from kleverkit.nats_calls import ClientSource, call
from kleverproto.envelope import InvalidEventError, parse
from kleverproto.streams import JOBRUNNER_EXTRACT, JOBRUNNER_REQUESTED, ConsumerSpec

WINDOW = 1000
"""Number of messages that are read, up to the last delivered one."""


class NatsBacklog:
    """See `ports.Backlog`: reads the messages between a consumer's acknowledgement floor and its last delivery."""

    def __init__(self, client: ClientSource) -> None:
        self._client = client

    async def unfinished(self) -> list[Request]:
        """See `ports.Backlog`."""
        js = self._client().jetstream()
        consumers = (JOBRUNNER_EXTRACT, *JOBRUNNER_REQUESTED)
        return [request for consumer in consumers for request in await _unfinished(js, consumer)]


async def _unfinished(js: JetStreamContext, consumer: ConsumerSpec) -> list[Request]:
    info = await call(js.consumer_info(consumer.stream, consumer.durable))
    if not info.num_ack_pending or info.delivered is None or info.ack_floor is None:
        return []
    last = info.delivered.stream_seq
    sequence = max(info.ack_floor.stream_seq, last - WINDOW) + 1
    requests = []
    while sequence <= last:
        try:
            message = await call(js.get_msg(consumer.stream, seq=sequence, subject=consumer.subject, next=True))
        except nats.js.errors.NotFoundError:
            break
        if message.seq is None or not sequence <= message.seq <= last:
            break  # the stream was recreated: its messages were not delivered yet
        sequence = message.seq + 1
        try:
            requests.append(request_of(parse(message.headers or {}, message.data or b""), message.seq))
        except InvalidEventError:
            continue  # moved to the dead-letter stream when it is redelivered
    return requests
