"""A NATS cluster of three nodes whose streams and buckets exist already, with another number of replicas."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client

from kleverproto.streams import BUCKETS, LEASES_BUCKET, POSITIONS_BUCKET, STREAMS
from support.nats_cluster import NODES, NatsCluster
from support.replicas import ReplicaProcess
from support.waiting import eventually

STORED = [*(each.name for each in STREAMS), *(each.stream for each in (*BUCKETS, POSITIONS_BUCKET, LEASES_BUCKET))]


@asynccontextmanager
async def topology(directory: Path, nats_cluster: NatsCluster, **settings: int) -> AsyncIterator[None]:
    """The service topology as a process, once it has changed everything that it has to."""
    service = ReplicaProcess("topology", 1, directory, {"nats_url": nats_cluster.urls, **settings})
    service.command = [sys.executable, "-m", "kleverkit.topology_service"]
    with service:
        await eventually(service.reports_ready, within=120, every=0.2)
        yield


async def replicas(nats_cluster_client: Client) -> dict[str, int]:
    """Of each stream, the number of nodes that have all of it."""
    js = nats_cluster_client.jetstream()
    infos = [await js.stream_info(name) for name in STORED]
    peers = [info.cluster.replicas or [] if info.cluster else [] for info in infos]
    return {
        str(info.config.name): 1 + sum(bool(peer.current) for peer in each)
        for info, each in zip(infos, peers, strict=True)
    }


async def become(nats_cluster_client: Client, number: int) -> None:
    async def are() -> bool:
        return set((await replicas(nats_cluster_client)).values()) == {number}

    await eventually(are, within=120, every=0.2)


@pytest.mark.timeout(400)
async def test_existing_streams_and_buckets_follow_the_setting_and_keep_their_content(
    nats_cluster: NatsCluster, nats_cluster_client: Client, tmp_path: Path
) -> None:
    async with topology(tmp_path, nats_cluster):
        await become(nats_cluster_client, 1)
    bucket = await nats_cluster_client.jetstream().key_value(BUCKETS[0].name)
    await bucket.put("library.iris.v1", b"{}")
    async with topology(tmp_path, nats_cluster, stream_replicas=NODES):
        await become(nats_cluster_client, NODES)
    async with topology(tmp_path, nats_cluster):
        await become(nats_cluster_client, NODES)
    leader = nats_cluster.nodes[await nats_cluster.leader_of(BUCKETS[0].stream)]
    leader.kill()

    async def is_kept() -> bool:
        return (await bucket.get("library.iris.v1")).value == b"{}"

    await eventually(is_kept, within=60, every=0.2)
    leader.start(within=60)
    async with topology(tmp_path, nats_cluster, stream_replicas=1):
        await become(nats_cluster_client, 1)
    await eventually(is_kept, within=60, every=0.2)
