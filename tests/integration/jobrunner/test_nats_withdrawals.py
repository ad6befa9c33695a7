"""Cancellations and deletions of a job after a request, according to its stream."""

from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.client import Client

from klever_jobrunner.adapters.nats_withdrawals import NatsWithdrawals
from klever_jobrunner.domain.requests import Request, request_of
from kleverkit.errors import TransientError
from kleverkit.nats_calls import ClientSource
from kleverkit.provisioning import provision
from kleverproto.base import WireModel
from kleverproto.envelope import Event, EventSource, encode
from kleverproto.jobs import JobCancelRequested, JobDeleteRequested, JobKind, JobRequested, JobSpec
from kleverproto.models import ModelPushed
from kleverproto.references import ModelRef
from support.nats_server import NatsServer

EVENTS = EventSource("test")
PUSHED = ModelPushed(ref=ModelRef.parse("library/m:v1"), digest=f"sha256:{'a' * 64}", registry="localhost:5000")
SPEC = JobSpec(kind=JobKind.SCAN, ref=PUSHED.ref, digest=PUSHED.digest, registry=PUSHED.registry)


@pytest.fixture
async def client(own_nats: NatsServer) -> AsyncIterator[Client]:
    connection = await nats.connect(own_nats.url)
    await provision(connection.jetstream(), replicas=1)
    yield connection
    await connection.close()


async def store(client: Client, data: WireModel) -> tuple[Event[WireModel], int]:
    event = EVENTS.event(data, event_id=f"{type(data).__name__} {client.stats['out_msgs']}")
    headers, body = encode(event)
    stored = await client.jetstream().publish(event.nats_subject, body, headers=headers)
    return event, stored.seq


async def request(client: Client, name: str) -> Request:
    event, sequence = await store(client, JobRequested(id=name, spec=SPEC))
    return request_of(event, sequence)  # type: ignore[arg-type] # a request


async def push(client: Client) -> Request:
    event, sequence = await store(client, PUSHED)
    return request_of(event, sequence)  # type: ignore[arg-type] # a push


def withdrawals_of(client: Client) -> NatsWithdrawals:
    source = ClientSource()
    source.set(client)
    return NatsWithdrawals(source)


@pytest.mark.parametrize("kind", [JobCancelRequested, JobDeleteRequested])
async def test_only_requests_before_a_withdrawal_are_withdrawn(
    client: Client, kind: type[JobCancelRequested] | type[JobDeleteRequested]
) -> None:
    withdrawals = withdrawals_of(client)
    pushed = await push(client)
    early, other = await request(client, pushed.job), await request(client, "another")
    assert not any([await withdrawals.is_withdrawn(each) for each in (pushed, early, other)])
    await store(client, kind(id=pushed.job))
    late, pushed_again = await request(client, pushed.job), await push(client)
    judged = [await withdrawals.is_withdrawn(each) for each in (pushed, early, other, late, pushed_again)]
    assert judged == [True, True, False, False, False]


async def test_a_push_lost_with_its_stream_is_not_withdrawn(client: Client) -> None:
    pushed = await push(client)
    await store(client, JobDeleteRequested(id=pushed.job))
    await client.jetstream().purge_stream("KLEVER_MODELS")
    assert not await withdrawals_of(client).is_withdrawn(pushed)


async def test_an_unreachable_server_is_a_transient_error(own_nats: NatsServer) -> None:
    connection = await nats.connect(own_nats.url, allow_reconnect=False)
    await provision(connection.jetstream(), replicas=1)
    wanted = await request(connection, "one")
    own_nats.stop()
    with pytest.raises(TransientError, match="NATS does not answer"):
        await withdrawals_of(connection).is_withdrawn(wanted)
    await connection.close()
