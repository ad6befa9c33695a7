"""One suite for every place that remembers the state of buckets: files, and a cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from klever_deployer.adapters.kubernetes.copies import ClusterCopies
from klever_deployer.adapters.kubernetes.memory import ClusterMemory
from klever_deployer.adapters.kubernetes.refusals import RefusedServingError
from kleverkit.errors import TransientError
from kleverkit.incarnations import FileMemory, Memory
from kleverkube.options import ClusterOptions
from kleverkubeclient.api import KubernetesApi
from kleverkubeclient.connecting import connected
from kleverkubeclient.resources import CONFIG_MAPS
from support.adapters import adapters


@asynccontextmanager
async def in_a_file(request: pytest.FixtureRequest) -> AsyncIterator[Memory]:
    yield FileMemory(request.getfixturevalue("tmp_path") / "remembered" / "servings.json")


@asynccontextmanager
async def on_cluster(request: pytest.FixtureRequest) -> AsyncIterator[Memory]:
    async with connected(request.getfixturevalue("kubeconfig")) as client:
        api = KubernetesApi(client, refused=RefusedServingError)
        yield ClusterMemory(api, "default", ClusterOptions(), "servings")
        assert await ClusterCopies(api, "default", ClusterOptions()).read() == {}
        await api.delete(CONFIG_MAPS, "default", "klever-remembered-servings")


MEMORIES = {"file": in_a_file, "kubernetes": on_cluster}


@pytest.fixture(params=adapters(MEMORIES))
async def memory(request: pytest.FixtureRequest) -> AsyncIterator[Memory]:
    async with MEMORIES[request.param](request) as memory:
        yield memory


async def test_nothing_is_remembered_at_first(memory: Memory) -> None:
    assert await memory.read() is None


async def test_the_last_state_is_remembered(memory: Memory) -> None:
    await memory.write(b'{"state": 1}')
    await memory.write(b'{"state": 2}')
    assert await memory.read() == b'{"state": 2}'


async def test_a_state_that_cannot_be_read_is_not_absent() -> None:
    memory = ClusterMemory(KubernetesApi(), "default", ClusterOptions(), "servings")
    with pytest.raises(TransientError):
        await memory.read()
    with pytest.raises(OSError, match="not connected to a cluster"):
        await memory.write(b"{}")
