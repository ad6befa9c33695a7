"""A backup of one machine is restored into a NATS cluster of three nodes."""

from pathlib import Path

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


@pytest.mark.timeout(300)
async def test_restored_streams_have_replicas_and_survive_a_node(
    nats_cluster: NatsCluster, nats_cluster_client: Client, tmp_path: Path
) -> None:
    home = await stopped_platform(tmp_path / "home", log_bytes=1_000_000)
    await Shell(home.path, tmp_path).ok(f"klever backup create {tmp_path / 'backup'}")
    with verified(tmp_path / "backup") as backup:
        await restore_streams(nats_cluster_client, backup, replicas=NODES)
    messages = await messages_in_home(home)

    async def are_all_there() -> bool:
        return await stored_messages(nats_cluster_client.jetstream()) == messages

    await eventually(are_all_there, within=60)
    for stream in SAVED_STREAMS:
        await nats_cluster.leader_of(stream)
    nats_cluster.nodes[await nats_cluster.leader_of(MODELS_BUCKET.stream)].kill()
    await eventually(are_all_there, within=60)
    await services_accept(nats_cluster_client)


async def services_accept(nats_cluster_client: Client) -> None:
    """Check that the streams are as the contract says."""
    source = ClientSource()
    source.set(nats_cluster_client)
    topology = Topology(source)
    topology.need(CONSUMERS)

    async def is_complete() -> bool:
        await topology.reconcile()
        return await topology.streams_problem() is None and await topology.consumers_problem() is None

    await eventually(is_complete, within=60)
