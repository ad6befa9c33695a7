"""Snapshots of streams and buckets of a real NATS, restored into another one."""

import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js import api

from klever.backup.errors import BackupError
from klever.backup.members import SAVED_STREAMS, StreamState
from klever.backup.reading import Backup
from klever.backup.servers import connected
from klever.backup.snapshots import restore, snapshot
from klever.backup.streams import restore_streams, save_streams
from klever.backup.verification import verified
from klever.backup.writing import new_archive
from kleverkit.nats_calls import ClientSource
from kleverkit.provisioning import provision, stream_config
from kleverkit.topology import Topology
from kleverproto.streams import CONSUMERS, DEAD, JOBRUNNER_EXTRACT, LOGS, MODELS, MODELS_BUCKET
from support.backup_files import header
from support.nats_server import NatsServer
from support.stored_messages import Message, messages_of, stored_messages
from support.waiting import eventually

CHUNKS_AND_MORE = 9 * 1024 * 1024
"""More than the window of bytes that the server sends without acknowledgements."""


@pytest.fixture
async def source(nats_url: str) -> AsyncIterator[Client]:
    client = await nats.connect(nats_url)
    await provision(client.jetstream())
    yield client
    await client.close()


@pytest.fixture
async def target(own_nats: NatsServer) -> AsyncIterator[Client]:
    client = await nats.connect(own_nats.url)
    yield client
    await client.close()


async def fill(client: Client) -> None:
    """Events, documents that were written several times, a deleted one, and positions of consumers."""
    js = client.jetstream()
    topology = Topology(_source_of(client))
    topology.need(CONSUMERS)
    await topology.reconcile()
    for number in range(5):
        await js.publish(f"klever.model.pushed.library.iris.v{number}", b"event", headers={"Nats-Msg-Id": str(number)})
        await js.publish(f"$KV.{MODELS_BUCKET.name}.library.iris.v1", f"document {number}".encode())
    await js.publish(f"$KV.{MODELS_BUCKET.name}.library.iris.v2", b"tombstone", headers={"KV-Operation": "DEL"})
    subscription = await js.pull_subscribe_bind(JOBRUNNER_EXTRACT.durable, JOBRUNNER_EXTRACT.stream)
    for message in (await subscription.fetch(5))[:3]:
        await message.ack_sync()
    await js.add_consumer(MODELS.name, api.ConsumerConfig(name="reader", ack_policy=api.AckPolicy.NONE))


def _source_of(client: Client) -> ClientSource:
    source = ClientSource()
    source.set(client)
    return source


async def saved(client: Client, path: Path) -> Path:
    with new_archive(path) as archive:
        archive.add("backup.json", header())
        await save_streams(client, archive)
    return path


@pytest.fixture
async def backup(source: Client, tmp_path: Path) -> AsyncIterator[Backup]:
    await fill(source)
    with verified(await saved(source, tmp_path / "backup")) as backup:
        yield backup


async def test_streams_keep_their_messages_sequences_and_times(source: Client, target: Client, backup: Backup) -> None:
    await restore_streams(target, backup)
    messages = await stored_messages(source.jetstream())
    assert len(messages[MODELS.name]) == 5
    assert len(messages[MODELS_BUCKET.stream]) == 2
    assert await stored_messages(target.jetstream()) == messages


async def test_restored_streams_are_as_the_contract_says(target: Client, backup: Backup) -> None:
    await restore_streams(target, backup)
    topology = Topology(_source_of(target))
    topology.need(CONSUMERS)
    js = target.jetstream()
    before = {name: (await js.stream_info(name)).config for name in SAVED_STREAMS}
    await topology.reconcile()
    assert {name: (await js.stream_info(name)).config for name in SAVED_STREAMS} == before
    assert await topology.consumers_problem() is None


async def test_consumers_resume_after_the_acknowledged_messages(target: Client, backup: Backup) -> None:
    await restore_streams(target, backup)
    js = target.jetstream()
    subscription = await js.pull_subscribe_bind(JOBRUNNER_EXTRACT.durable, JOBRUNNER_EXTRACT.stream)
    delivered = [message.subject for message in await subscription.fetch(5, timeout=1)]
    assert delivered == ["klever.model.pushed.library.iris.v3", "klever.model.pushed.library.iris.v4"]
    names = {info.name for info in await js.consumers_info(MODELS.name)}
    assert names == {each.durable for each in CONSUMERS if each.stream == MODELS.name}


async def test_a_server_with_streams_is_not_changed(source: Client, backup: Backup) -> None:
    before = await stored_messages(source.jetstream())
    with pytest.raises(BackupError, match="NATS is not empty: it has KV_klever-servings"):
        await restore_streams(source, backup)
    assert await stored_messages(source.jetstream()) == before


def files_of(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def test_an_incomplete_platform_is_not_saved(source: Client, tmp_path: Path) -> None:
    await source.jetstream().delete_stream(DEAD.name)
    with pytest.raises(BackupError, match="NATS lacks KLEVER_DEAD: wait until the platform is ready"):
        await saved(source, tmp_path / "backup")
    assert files_of(tmp_path) == []


class Damaged(Backup):
    """A backup whose last snapshot is not one."""

    def chunks(self, stream: str) -> Iterator[bytes]:
        return iter([b"no snapshot"]) if stream == LOGS.name else super().chunks(stream)


class Shortened(Backup):
    """A backup whose last snapshot has fewer messages than it should."""

    def state(self, stream: str) -> StreamState:
        state = super().state(stream)
        return state.model_copy(update={"last_seq": state.last_seq + 1}) if stream == LOGS.name else state


@pytest.mark.parametrize("kind", [Damaged, Shortened])
async def test_a_failed_restoration_leaves_no_stream(kind: type[Backup], target: Client, backup: Backup) -> None:
    damaged = kind(backup._file, backup._spans, backup.header)
    with pytest.raises(BackupError, match=LOGS.name):
        await restore_streams(target, damaged)
    assert await target.jetstream().streams_info() == []


async def test_a_large_stream_arrives_in_pieces(source: Client, target: Client) -> None:
    js = source.jetstream()
    for _ in range(CHUNKS_AND_MORE // (512 * 1024) + 1):
        await js.publish("klever.log.lines.x", secrets.token_bytes(512 * 1024))
    async with snapshot(source, LOGS.name) as taken:
        chunks = [chunk async for chunk in taken.chunks]
    assert max(map(len, chunks)) <= 256 * 1024
    assert sum(map(len, chunks)) > CHUNKS_AND_MORE
    await restore(target, stream_config(LOGS, None), taken.state, iter(chunks))
    assert await messages_of(target.jetstream(), LOGS.name) == await messages_of(js, LOGS.name)


async def test_a_lost_piece_is_noticed(source: Client, target: Client) -> None:
    js = source.jetstream()
    for _ in range(4):
        await js.publish("klever.log.lines.x", secrets.token_bytes(512 * 1024))
    async with snapshot(source, LOGS.name) as taken:
        chunks = [chunk async for chunk in taken.chunks]
    del chunks[2]
    with pytest.raises(BackupError, match=f"(refuses|cannot restore).*{LOGS.name}"):
        await restore(target, stream_config(LOGS, None), taken.state, iter(chunks))
    assert await target.jetstream().streams_info() == []


async def test_a_stream_whose_messages_have_expired_keeps_its_last_sequence(source: Client, target: Client) -> None:
    js = source.jetstream()
    for number in range(3):
        await js.publish("klever.log.lines.x", str(number).encode())
    async with snapshot(source, LOGS.name) as taken:
        chunks = [chunk async for chunk in taken.chunks]
    shortest = stream_config(LOGS, None).evolve(max_age=0.1, duplicate_window=0.1)
    last = (await messages_of(js, LOGS.name))[-1]
    await eventually(lambda: _is_older(last, shortest.max_age or 0))
    await restore(target, shortest, taken.state, iter(chunks))
    await eventually(lambda: _is_empty(target))
    assert (await target.jetstream().stream_info(LOGS.name)).state.last_seq == taken.state.last_seq


async def _is_empty(client: Client) -> bool:
    return (await client.jetstream().stream_info(LOGS.name)).state.messages == 0


async def _is_older(message: Message, seconds: float) -> bool:
    return message.time is not None and datetime.now(UTC) - message.time > timedelta(seconds=seconds)


async def test_a_server_that_dies_during_a_snapshot_is_reported(own_nats: NatsServer) -> None:
    async with connected(own_nats.url, None) as client:
        js = client.jetstream()
        await provision(js)
        for _ in range(CHUNKS_AND_MORE // (512 * 1024) + 1):
            await js.publish("klever.log.lines.x", secrets.token_bytes(512 * 1024))
        with pytest.raises(BackupError, match=r"NATS does not (send|answer)"):
            await _read_while_killed(client, own_nats)


async def _read_while_killed(client: Client, server: NatsServer) -> None:
    async with snapshot(client, LOGS.name) as taken:
        async for _ in taken.chunks:
            if server.process is not None and server.process.poll() is None:
                server.kill()


async def test_a_server_that_dies_during_a_restoration_is_reported(own_nats: NatsServer, backup: Backup) -> None:
    async with connected(own_nats.url, None) as client:
        dying = Dying(backup._file, backup._spans, backup.header)
        dying.server = own_nats
        with pytest.raises(BackupError, match=f"NATS does not answer while {LOGS.name} is transferred"):
            await restore_streams(client, dying)


class Dying(Backup):
    """A backup whose last snapshot is read when the server is dead."""

    server: NatsServer

    def chunks(self, stream: str) -> Iterator[bytes]:
        if stream == LOGS.name:
            self.server.kill()
        return super().chunks(stream)
