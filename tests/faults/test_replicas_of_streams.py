"""A NATS cluster of three nodes whose streams and buckets exist already, with another number of replicas."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from kleverproto.streams import BUCKETS, LEASES_BUCKET, POSITIONS_BUCKET, STREAMS
from support.nats_cluster import NODES, NatsCluster
from support.replicas import ReplicaProcess
from support.waiting import eventually

STORED = [*(each.name for each in STREAMS), *(each.stream for each in (*BUCKETS, POSITIONS_BUCKET, LEASES_BUCKET))]


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[NatsCluster]:
    cluster = NatsCluster(tmp_path)
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


@asynccontextmanager
async def topology(directory: Path, cluster: NatsCluster, **settings: int) -> AsyncIterator[None]:
    """The service topology as a process, once it has changed everything that it has to."""
    service = ReplicaProcess("topology", 1, directory, {"nats_url": cluster.urls, **settings})
    service.command = [sys.executable, "-m", "kleverkit.topology_service"]
    with service:
        await eventually(service.reports_ready, within=120, every=0.2)
        yield


async def replicas(client: Client) -> dict[str, int]:
    """Of each stream, the number of nodes that have all of it."""
    js = client.jetstream()
    infos = [await js.stream_info(name) for name in STORED]
    peers = [info.cluster.replicas or [] if info.cluster else [] for info in infos]
    return {
        str(info.config.name): 1 + sum(bool(peer.current) for peer in each)
        for info, each in zip(infos, peers, strict=True)
    }


async def become(client: Client, number: int) -> None:
    async def are() -> bool:
        return set((await replicas(client)).values()) == {number}

    await eventually(are, within=120, every=0.2)


@pytest.mark.timeout(400)
async def test_existing_streams_and_buckets_follow_the_setting_and_keep_their_content(
    cluster: NatsCluster, client: Client, tmp_path: Path
) -> None:
    async with topology(tmp_path, cluster):
        await become(client, 1)
    bucket = await client.jetstream().key_value(BUCKETS[0].name)
    await bucket.put("library.iris.v1", b"{}")
    async with topology(tmp_path, cluster, stream_replicas=NODES):
        await become(client, NODES)
    async with topology(tmp_path, cluster):
        await become(client, NODES)
    leader = cluster.nodes[await cluster.leader_of(BUCKETS[0].stream)]
    leader.kill()

    async def is_kept() -> bool:
        return (await bucket.get("library.iris.v1")).value == b"{}"

    await eventually(is_kept, within=60, every=0.2)
    leader.start(within=60)
    async with topology(tmp_path, cluster, stream_replicas=1):
        await become(client, 1)
    await eventually(is_kept, within=60, every=0.2)
