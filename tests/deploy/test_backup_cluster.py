"""A backup of one machine is restored into a NATS cluster of three nodes."""

from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from klever.backup.members import SAVED_STREAMS
from klever.backup.streams import restore_streams
from klever.backup.verification import verified
from kleverkit.nats_calls import ClientSource
from kleverkit.topology import Topology
from kleverproto.streams import CONSUMERS, MODELS_BUCKET
from support.commands import Shell
from support.nats_cluster import NODES, NatsCluster
from support.stopped_platform import messages_in_home, stopped_platform
from support.stored_messages import stored_messages
from support.waiting import eventually


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[NatsCluster]:
    directory = tmp_path / "nodes"
    directory.mkdir()
    cluster = NatsCluster(directory)
    try:
        cluster.start()
        await eventually(cluster.is_ready, within=60)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
async def client(cluster: NatsCluster) -> AsyncIterator[Client]:
    connection = await nats.connect(cluster.urls.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    yield connection
    await connection.close()


@pytest.mark.timeout(300)
async def test_restored_streams_have_replicas_and_survive_a_node(
    cluster: NatsCluster, client: Client, tmp_path: Path
) -> None:
    home = await stopped_platform(tmp_path / "home", log_bytes=1_000_000)
    await Shell(home.path, tmp_path).ok(f"klever backup create {tmp_path / 'backup'}")
    with verified(tmp_path / "backup") as backup:
        await restore_streams(client, backup, replicas=NODES)
    messages = await messages_in_home(home)

    async def are_all_there() -> bool:
        return await stored_messages(client.jetstream()) == messages

    await eventually(are_all_there, within=60)
    for stream in SAVED_STREAMS:
        await cluster.leader_of(stream)
    cluster.nodes[await cluster.leader_of(MODELS_BUCKET.stream)].kill()
    await eventually(are_all_there, within=60)
    await services_accept(client)


async def services_accept(client: Client) -> None:
    """Check that the streams are as the contract says."""
    source = ClientSource()
    source.set(client)
    topology = Topology(source)
    topology.need(CONSUMERS)

    async def is_complete() -> bool:
        await topology.reconcile()
        return await topology.streams_problem() is None and await topology.consumers_problem() is None

    await eventually(is_complete, within=60)
