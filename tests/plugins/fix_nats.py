"""NATS for tests: one server for the session, or a separate one that a test may break."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from support.nats_cluster import NatsCluster
from support.nats_server import NatsServer
from support.waiting import eventually


async def _delete_streams(url: str) -> None:
    client = await nats.connect(url)
    try:
        js = client.jetstream()
        for info in await js.streams_info():
            await js.delete_stream(str(info.config.name))
    finally:
        await client.close()


def _purge_everything(url: str) -> None:
    """Runs in a thread, since the test's own loop may run already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _delete_streams(url)).result()


def _container_url() -> Iterator[str]:
    from testcontainers.nats import NatsContainer  # noqa: PLC0415 - only where a container engine answers

    with NatsContainer("nats:2.12-alpine", jetstream=True) as container:
        yield container.nats_uri()


@pytest.fixture(scope="session")
def shared_nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One server for all tests that do not break it; a container if KLEVER_TEST_SERVERS=containers."""
    if os.environ.get("KLEVER_TEST_SERVERS") == "containers":
        yield from _container_url()
        return
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def nats_url(shared_nats_url: str) -> str:
    """The shared server, emptied for this test."""
    _purge_everything(shared_nats_url)
    return shared_nats_url


@pytest.fixture
def own_nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A server that this test may stop, kill and restart."""
    server = NatsServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def nats_cluster(tmp_path: Path) -> AsyncIterator[NatsCluster]:
    """Three servers that this test may stop, kill and restart."""
    directory = tmp_path / "nats-nodes"
    directory.mkdir()
    cluster = NatsCluster(directory)
    try:
        cluster.start()
        await eventually(cluster.is_ready, within=60)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
async def nats_cluster_client(nats_cluster: NatsCluster) -> AsyncIterator[Client]:
    """A client that reconnects to another node."""
    client = await nats.connect(nats_cluster.urls.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    yield client
    await client.close()
