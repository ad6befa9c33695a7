"""The contract defines the permissions of each service on NATS; a real server refuses everything else."""

from pathlib import Path

import nats.errors
import psutil
import pytest
from nats.aio.msg import Msg

from klever.platform.home import NatsFiles
from klever.platform.nats_access import NatsAccess
from klever_gateway.adapters.stream_reader import Lost, StreamReader
from kleverkit.bucket_reading import reading
from kleverproto.streams import BUCKETS, CONSUMERS, JOBS, LOGS, MODELS, SERVINGS, BucketSpec, ConsumerSpec
from support.guarded_nats import GuardedNats
from support.nats_powers import SERVICES, STORED, powers

EVERYTHING = [power.subject for power in powers()]


async def stored(guarded: GuardedNats) -> set[str]:
    """The subjects of everything that the server holds."""
    async with guarded.client() as operator:
        js = operator.client.jetstream()
        infos = [await js.stream_info(name, subjects_filter=">") for name in STORED]
    return {subject for info in infos for subject in info.state.subjects or {}}


def test_the_list_of_powers_has_no_subject_twice() -> None:
    assert len(EVERYTHING) == len({subject.lower() for subject in EVERYTHING})


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_has_only_its_own_permissions(guarded_nats: GuardedNats, service: str) -> None:
    async with guarded_nats.client(service) as connected:
        refused = await connected.refused(*EVERYTHING)

    assert refused == {power.subject for power in powers() if service not in power.owners}


@pytest.mark.parametrize("service", SERVICES)
async def test_only_permitted_writes_of_a_service_are_stored(guarded_nats: GuardedNats, service: str) -> None:
    writes = [power for power in powers() if power.subject.startswith(("klever.", "$KV."))]
    async with guarded_nats.client(service) as connected:
        await connected.refused(*(power.subject for power in writes))

    assert await stored(guarded_nats) == {power.subject for power in writes if service in power.owners}


@pytest.mark.parametrize("consumer", CONSUMERS, ids=lambda consumer: consumer.durable)
async def test_a_service_receives_and_acknowledges_its_messages(
    guarded_nats: GuardedNats, consumer: ConsumerSpec
) -> None:
    async with guarded_nats.client() as operator, guarded_nats.client(consumer.service) as service:
        await operator.client.jetstream().publish(consumer.subject.replace(">", "a.b"), b"event")
        js = service.client.jetstream()
        subscription = await js.pull_subscribe_bind(stream=consumer.stream, durable=consumer.durable)
        (message,) = await subscription.fetch(1, timeout=10)
        await message.in_progress()
        await message.ack_sync(timeout=10)

        info = await js.consumer_info(consumer.stream, consumer.durable)
        assert (info.num_ack_pending, info.num_pending) == (0, 0)
        assert service.errors == []


@pytest.mark.parametrize("bucket", BUCKETS, ids=lambda bucket: bucket.name)
async def test_owner_and_readers_read_a_bucket(guarded_nats: GuardedNats, bucket: BucketSpec) -> None:
    async with guarded_nats.client() as operator:
        await operator.client.jetstream().publish(f"$KV.{bucket.name}.some.key", b"document")
    for name in (bucket.owner, *bucket.readers):
        async with (
            guarded_nats.client(name) as service,
            reading(service.client, bucket.stream, f"$KV.{bucket.name}.") as reader,
        ):
            assert [entry.value for entry in await reader.entries()] == [b"document"]
            assert service.errors == []


async def test_the_gateway_follows_every_event_stream_that_it_shows(guarded_nats: GuardedNats) -> None:
    async with guarded_nats.client("gateway") as gateway, guarded_nats.client() as operator:
        for stream in (MODELS, JOBS, SERVINGS, LOGS):
            subject = stream.subjects[0].replace(">", "a.b")
            await operator.client.jetstream().publish(subject, b"event")
            reader = StreamReader(gateway.source, stream.name, [subject])
            assert [message.data for message in await read_some(reader)] == [b"event"]
            await reader.close()
        assert gateway.errors == []


async def read_some(reader: StreamReader) -> list[Msg]:
    read = await reader.read(1, 10)
    assert not isinstance(read, Lost)
    return read


async def test_nobody_connects_without_credentials(guarded_nats: GuardedNats, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.nk"
    NatsAccess(NatsFiles(tmp_path / "other")).prepare()
    NatsFiles(tmp_path / "other").credentials_of("registry").rename(stranger)
    for credentials in (None, stranger):
        with pytest.raises(nats.errors.Error, match="Authorization Violation"):
            async with guarded_nats.client(credentials):
                pytest.fail("somebody whom the server does not know was let in")


async def test_the_server_listens_only_for_clients(guarded_nats: GuardedNats) -> None:
    assert guarded_nats.server.process is not None
    listening = [
        each.laddr
        for each in psutil.Process(guarded_nats.server.process.pid).net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]
    assert listening == [("127.0.0.1", guarded_nats.server.port)]
