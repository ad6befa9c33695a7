"""A running service recovers unattended from losses of NATS, and reports the problem meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from kleverkit import positions
from kleverkit.nats_calls import ClientSource
from kleverkit.provisioning import provision
from kleverkit.topology import Topology
from kleverproto.streams import BUCKETS, CONSUMERS, JOBRUNNER_EXTRACT, POSITIONS_BUCKET, STREAMS
from support.kit_service import KitService, kit_service
from support.nats_server import NatsServer
from support.pushes import push
from support.waiting import eventually

STREAM, CONSUMER = JOBRUNNER_EXTRACT.stream, JOBRUNNER_EXTRACT.durable


@pytest.fixture
async def service(own_nats: NatsServer, tmp_path: Path) -> AsyncIterator[KitService]:
    async with kit_service(own_nats.url, tmp_path) as service:
        await service.is_ready()
        yield service


@pytest.fixture
async def js(own_nats: NatsServer) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(own_nats.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    yield client.jetstream(timeout=1)
    await client.close()


async def everything_exists(js: JetStreamContext) -> bool:
    names = {spec.name for spec in STREAMS} | {f"KV_{spec.name}" for spec in BUCKETS}
    return {str(info.config.name) for info in await js.streams_info()} >= names


async def handles(js: JetStreamContext, service: KitService, *versions: str) -> None:
    """Publish the last version as soon as there is a stream. Check that all are handled once and in order."""

    async def published() -> bool:
        await push(js, versions[-1])
        return True

    await eventually(published, within=20)
    await service.handles(*versions)


async def test_an_empty_store_after_a_crash_is_provisioned(
    own_nats: NatsServer, service: KitService, js: JetStreamContext
) -> None:
    await handles(js, service, "v1")
    own_nats.lose_store()
    await handles(js, service, "v1", "v2")
    await service.is_ready()
    assert await everything_exists(js)


async def test_a_deleted_consumer_resumes_after_the_acknowledged_messages(
    service: KitService, js: JetStreamContext
) -> None:
    await push(js, "v1", "v2")
    await service.handles("v1", "v2")

    async def is_acknowledged() -> bool:
        return not (await js.consumer_info(STREAM, CONSUMER)).num_ack_pending

    await eventually(is_acknowledged)
    used = service.processor_seconds()
    began = asyncio.get_running_loop().time()
    await js.delete_consumer(STREAM, CONSUMER)
    await push(js, "v3")
    await service.handles("v1", "v2", "v3")
    await service.is_ready()
    assert service.processor_seconds() - used < 0.5 + 0.1 * (asyncio.get_running_loop().time() - began)


async def test_a_consumer_that_is_lost_during_downtime_resumes_from_its_position(
    own_nats: NatsServer, js: JetStreamContext, tmp_path: Path
) -> None:
    async with kit_service(own_nats.url, tmp_path) as service:
        await service.is_ready()
        await push(js, "v1", "v2")
        await service.handles("v1", "v2")

        async def is_saved() -> bool:
            position = await positions.load(js, CONSUMER)
            return position is not None and position.floor == (await js.stream_info(STREAM)).state.last_seq

        await eventually(is_saved)
        service.process.terminate()
        await service.ends()
    await js.delete_consumer(STREAM, CONSUMER)
    await push(js, "v3")
    async with kit_service(own_nats.url, tmp_path) as service:
        await service.handles("v1", "v2", "v3")


async def test_an_unreadable_position_is_not_treated_as_missing(js: JetStreamContext) -> None:
    with pytest.raises(NotFoundError):
        await positions.load(js, CONSUMER)
    await provision(js, streams=(), buckets=[POSITIONS_BUCKET])
    assert await positions.load(js, CONSUMER) is None


async def test_a_deleted_stream_is_recreated(service: KitService, js: JetStreamContext) -> None:
    await handles(js, service, "v1")
    await js.delete_stream(STREAM)
    await handles(js, service, "v1", "v2")
    await service.is_ready()


@pytest.mark.parametrize("name", [spec.name for spec in BUCKETS])
async def test_a_deleted_bucket_is_recreated(service: KitService, js: JetStreamContext, name: str) -> None:
    await js.delete_key_value(name)

    async def is_back() -> bool:
        await js.key_value(name)
        return True

    await eventually(is_back)
    await service.is_ready()


async def test_a_stream_that_cannot_be_created_is_reported_until_it_can(
    own_nats: NatsServer, js: JetStreamContext, tmp_path: Path
) -> None:
    await js.add_stream(name="STRANGER", subjects=["klever.model.>"])
    async with kit_service(own_nats.url, tmp_path) as service:
        await service.has_problem("streams", STREAM, "overlap")
        await service.has_problem("consumers", CONSUMER)
        await js.delete_stream("STRANGER")
        await service.is_ready()
    assert service.log().count("overlap") <= 2


async def test_a_server_without_jetstream_is_reported_until_it_is_replaced(
    own_nats: NatsServer, service: KitService
) -> None:
    own_nats.kill()
    own_nats.jetstream = False
    own_nats.start()
    await service.has_problem("streams", "JetStream")
    await service.has_problem("consumers", "JetStream")
    own_nats.kill()
    own_nats.jetstream = True
    own_nats.start()
    await service.is_ready()


async def test_resources_of_an_older_version_are_updated(
    own_nats: NatsServer, js: JetStreamContext, tmp_path: Path
) -> None:
    await js.add_stream(name=STREAM, subjects=["klever.model.>"], max_age=3600)
    await js.add_consumer(STREAM, durable_name=CONSUMER, name=CONSUMER, max_ack_pending=1, ack_wait=1)
    await push(js, "v1")
    async with kit_service(own_nats.url, tmp_path) as service:
        await service.is_ready()
        stream, consumer = await js.stream_info(STREAM), await js.consumer_info(STREAM, CONSUMER)
        assert stream.config.max_age == next(spec for spec in STREAMS if spec.name == STREAM).max_age.total_seconds()
        assert consumer.config.ack_wait == JOBRUNNER_EXTRACT.ack_wait.total_seconds()
        await service.handles("v1")


async def test_a_server_without_jetstream_at_startup_is_reported(tmp_path: Path) -> None:
    server = NatsServer(tmp_path, jetstream=False)
    server.start()
    try:
        async with kit_service(server.url, tmp_path) as service:
            await service.has_problem("streams", "JetStream")
            server.kill()
            server.jetstream = True
            server.start()
            await service.is_ready()
    finally:
        server.stop()


async def test_several_services_provision_the_same_resources_concurrently(
    own_nats: NatsServer, js: JetStreamContext
) -> None:
    client = ClientSource()
    client.set(js._nc)
    services = [Topology(client) for _ in range(4)]
    for each in services:
        each.need(CONSUMERS)

    async def settled() -> bool:
        await asyncio.gather(*(each.reconcile() for each in services))
        return not any([await each.streams_problem() or await each.consumers_problem() for each in services])

    for lose in (own_nats.lose_store, lambda: None):
        lose()
        await eventually(settled, within=20)
        assert await everything_exists(js)
        for spec in CONSUMERS:
            await js.consumer_info(spec.stream, spec.durable)
        await js.delete_consumer(STREAM, CONSUMER)
        with pytest.raises(NotFoundError):
            await js.consumer_info(STREAM, CONSUMER)
