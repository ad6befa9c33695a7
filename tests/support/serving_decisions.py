"""The deployer's part of requests for servings: it only records and decides them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg

from klever_deployer.adapters.memory import InMemoryCopies
from klever_deployer.service.copies import Copies
from klever_deployer.service.intents import Intents
from klever_deployer.service.records import Records
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverkit.tasks import cancel
from kleverproto.documents import Intent
from kleverproto.envelope import Event, EventSource, encode, parse, utc_now
from kleverproto.servings import ServingDeleteRequested, ServingDocument, ServingRequested, ServingRolloutRequested
from kleverproto.streams import DEPLOYER_DELETE, DEPLOYER_REQUESTED, DEPLOYER_ROLLOUT, SERVINGS_BUCKET, ConsumerSpec
from kleverroutes.versions import ServingName


class ClientPublisher:
    """See `kleverkit.publisher.EventPublisher`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def publish(self, event: Event[Any]) -> None:
        headers, body = encode(event)
        await self._client.jetstream().publish(event.nats_subject, body, headers=headers)


def records_at(client: Client) -> Records:
    source = ClientSource()
    source.set(client)
    documents = NatsDocuments(source, SERVINGS_BUCKET, ServingDocument)
    return Records(documents, ClientPublisher(client), EventSource("deployer"), utc_now, Copies(InMemoryCopies()))


@asynccontextmanager
async def deciding(client: Client) -> AsyncIterator[Records]:
    """Handle every request about servings while the context is open."""
    records = records_at(client)
    intents = Intents(records)
    consumers = (DEPLOYER_REQUESTED, DEPLOYER_DELETE, DEPLOYER_ROLLOUT)
    tasks = [asyncio.create_task(_handle(client, each, intents)) for each in consumers]
    try:
        yield records
    finally:
        await cancel(tasks)


async def _handle(client: Client, consumer: ConsumerSpec, intents: Intents) -> None:
    js = client.jetstream()
    subscription = await js.pull_subscribe(consumer.subject, consumer.durable, stream=consumer.stream)
    while True:
        with suppress(TimeoutError):
            messages = await subscription.fetch(8, 0.5)
            await asyncio.gather(*(_handle_one(message, intents) for message in messages))


async def _handle_one(message: Msg, intents: Intents) -> None:
    event = parse(message.headers or {}, message.data)
    sequence = message.metadata.sequence.stream
    intent = Intent(sequence=sequence, event_id=event.id, correlation_id=event.correlation_id or event.id)
    data = event.data
    if isinstance(data, ServingRequested):
        await intents.request(data, intent)
    elif isinstance(data, ServingDeleteRequested):
        await intents.request_deletion(data, intent)
    elif isinstance(data, ServingRolloutRequested):
        await intents.steer(ServingName(data.namespace, data.name), data.generation, data.action, intent)
    await message.ack_sync()
