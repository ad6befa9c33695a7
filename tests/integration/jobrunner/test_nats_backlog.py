"""Delivered messages without acknowledgement, according to JetStream."""

from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo

from klever_jobrunner.adapters.nats_backlog import NatsBacklog
from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource
from kleverkit.provisioning import provision
from kleverproto.envelope import EventSource, encode
from kleverproto.jobs import JobKind, JobRequested, JobSpec
from kleverproto.models import ModelPushed
from kleverproto.references import ModelRef
from kleverproto.streams import JOBRUNNER_EXTRACT, JOBRUNNER_EXTRACT_REQUESTED, JOBRUNNER_REQUESTED, ConsumerSpec
from support.nats_server import NatsServer

EVENTS = EventSource("test")
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    connection = await nats.connect(nats_url)
    js = connection.jetstream()
    await provision(js, replicas=1)
    for consumer in (JOBRUNNER_EXTRACT, *JOBRUNNER_REQUESTED):
        await js.pull_subscribe(consumer.subject, durable=consumer.durable, stream=consumer.stream)
    yield connection
    await connection.close()


def backlog_of(client: Client) -> NatsBacklog:
    source = ClientSource()
    source.set(client)
    return NatsBacklog(source)


async def push(client: Client, version: str) -> None:
    data = ModelPushed(ref=ModelRef.parse(f"library/m:{version}"), digest=DIGEST, registry="localhost:5000")
    event = EVENTS.event(data, event_id=version)
    headers, body = encode(event)
    await client.jetstream().publish(event.nats_subject, body, headers=headers)


async def request(client: Client, name: str) -> None:
    ref = ModelRef.parse("library/m:v1")
    spec = JobSpec(kind=JobKind.EXTRACT, ref=ref, digest=DIGEST, registry="localhost:5000")
    event = EVENTS.event(JobRequested(id=name, spec=spec), event_id=name)
    headers, body = encode(event)
    await client.jetstream().publish(event.nats_subject, body, headers=headers)


async def hand_out(client: Client, consumer: ConsumerSpec, count: int, *, acknowledge: int = 0) -> None:
    """Deliver this many messages, and acknowledge the first ones."""
    subscription = await client.jetstream().pull_subscribe_bind(consumer.durable, consumer.stream)
    for message in (await subscription.fetch(count))[:acknowledge]:
        await message.ack_sync()


async def test_the_backlog_is_empty_before_any_delivery(client: Client) -> None:
    await push(client, "v1")
    assert await backlog_of(client).unfinished() == []


async def test_delivered_messages_without_acknowledgement_are_left(client: Client) -> None:
    for version in ("v1", "v2", "v3", "v4"):
        await push(client, version)
    await hand_out(client, JOBRUNNER_EXTRACT, 3, acknowledge=1)
    await request(client, "job-1")
    await hand_out(client, JOBRUNNER_EXTRACT_REQUESTED, 1)
    left = await backlog_of(client).unfinished()
    models, jobs = [
        (await client.jetstream().stream_info(name)).state.first_seq for name in ("KLEVER_MODELS", "KLEVER_JOBS")
    ]
    sequences = {one.intent.event_id: one.intent.sequence for one in left}
    assert sequences == {"v2": models + 1, "v3": models + 2, "job-1": jobs}
    assert left[-1].job == "job-1"


async def test_unreadable_messages_are_left_to_their_redelivery(client: Client) -> None:
    await client.jetstream().publish("klever.model.pushed.library.poison", b"\xff")
    await push(client, "v1")
    await hand_out(client, JOBRUNNER_EXTRACT, 2)
    assert [one.intent.event_id for one in await backlog_of(client).unfinished()] == ["v1"]


async def test_an_unreachable_server_is_a_transient_error(own_nats: NatsServer) -> None:
    connection = await nats.connect(own_nats.url, allow_reconnect=False)
    await provision(connection.jetstream(), replicas=1)
    own_nats.stop()
    with pytest.raises(TransientError, match="NATS does not answer"):
        await backlog_of(connection).unfinished()
    await connection.close()


async def test_a_deleted_consumer_is_a_transient_error(client: Client) -> None:
    await client.jetstream().delete_consumer(JOBRUNNER_EXTRACT.stream, JOBRUNNER_EXTRACT.durable)
    with pytest.raises(TransientError, match="consumer not found"):
        await backlog_of(client).unfinished()


async def test_a_deleted_stream_is_a_transient_error(client: Client) -> None:
    await client.jetstream().delete_stream(JOBRUNNER_EXTRACT.stream)
    with pytest.raises(TransientError, match="stream not found"):
        await backlog_of(client).unfinished()


class Recreated(JetStreamContext):
    """A stream that is recreated after its consumer was read; the new one holds another message."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._client = client

    async def consumer_info(self, stream: str, consumer: str, timeout: float | None = None) -> ConsumerInfo:  # noqa: ASYNC109 - as nats-py has it
        """See `JetStreamContext`."""
        info: ConsumerInfo = await super().consumer_info(stream, consumer, timeout)
        if stream == JOBRUNNER_EXTRACT.stream:
            await self.delete_stream(stream)
            await self.add_stream(name=stream, subjects=["klever.model.>"], first_seq=1000)
            await push(self._client, "v2")
        return info


class Reconnecting:
    """A client with that JetStream."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def jetstream(self) -> JetStreamContext:
        """See `Client`."""
        return Recreated(self._client)


async def test_messages_of_a_recreated_stream_are_not_treated_as_delivered(client: Client) -> None:
    await push(client, "v1")
    await hand_out(client, JOBRUNNER_EXTRACT, 1)
    source = ClientSource()
    source.set(Reconnecting(client))  # type: ignore[arg-type] # only its JetStream is used
    assert await NatsBacklog(source).unfinished() == []
