"""What was handed out and not acknowledged, as JetStream knows it."""

from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.client import Client

from klever_jobrunner.adapters.nats_backlog import NatsBacklog
from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource
from kleverkit.provisioning import provision
from kleverproto.envelope import EventSource, encode
from kleverproto.jobs import JobKind, JobRequested, JobSpec
from kleverproto.models import ModelPushed
from kleverproto.references import ModelRef
from kleverproto.streams import JOBRUNNER_EXTRACT, JOBRUNNER_JOBS, ConsumerSpec
from support.nats_server import NatsServer

EVENTS = EventSource("test")
DIGEST = f"sha256:{'a' * 64}"


@pytest.fixture
async def client(nats_url: str) -> AsyncIterator[Client]:
    connection = await nats.connect(nats_url)
    js = connection.jetstream()
    await provision(js, replicas=1)
    for consumer in (JOBRUNNER_EXTRACT, JOBRUNNER_JOBS):
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
    """Deliver so many messages, and acknowledge the first ones."""
    subscription = await client.jetstream().pull_subscribe_bind(consumer.durable, consumer.stream)
    for message in (await subscription.fetch(count))[:acknowledge]:
        await message.ack_sync()


async def test_nothing_was_handed_out(client: Client) -> None:
    await push(client, "v1")
    assert await backlog_of(client).unfinished() == []


async def test_what_was_handed_out_and_not_acknowledged_is_left(client: Client) -> None:
    for version in ("v1", "v2", "v3", "v4"):
        await push(client, version)
    await hand_out(client, JOBRUNNER_EXTRACT, 3, acknowledge=1)
    await request(client, "job-1")
    await hand_out(client, JOBRUNNER_JOBS, 1)
    left = await backlog_of(client).unfinished()
    assert [one.cause.event_id for one in left] == ["v2", "v3", "job-1"]
    assert left[-1].job == "job-1"


async def test_what_nobody_can_read_is_left_to_its_redelivery(client: Client) -> None:
    await client.jetstream().publish("klever.model.pushed.library.poison", b"\xff")
    await push(client, "v1")
    await hand_out(client, JOBRUNNER_EXTRACT, 2)
    assert [one.cause.event_id for one in await backlog_of(client).unfinished()] == ["v1"]


async def test_a_server_that_is_away_is_a_transient_error(own_nats: NatsServer) -> None:
    connection = await nats.connect(own_nats.url, allow_reconnect=False)
    await provision(connection.jetstream(), replicas=1)
    own_nats.stop()
    with pytest.raises(TransientError, match="NATS does not say what is left"):
        await backlog_of(connection).unfinished()
    await connection.close()
