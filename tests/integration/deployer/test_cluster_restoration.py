"""Servings on a cluster outlive everything else: they are restored from the cluster alone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kleverproto.servings import ServingPhase, ServingReady, ServingRequested
from support.deployer import spec
from support.deployer_service import Surroundings
from support.nats_server import NatsServer
from support.onnx_models import look_up, model_directory
from support.played_cluster import PlayedCluster, played_cluster
from support.waiting import eventually

pytestmark = [pytest.mark.api_server, pytest.mark.timeout(240)]

EARLIER_REQUESTS = 40
"""More than the messages of the stream that replaces the lost one."""


@pytest.fixture
async def cluster(kubeconfig: Path) -> AsyncIterator[PlayedCluster]:
    async with played_cluster(kubeconfig) as cluster:
        yield cluster


def requested(version: str) -> ServingRequested:
    return ServingRequested(namespace="default", name="iris", spec=spec(version))


async def is_ready(world: Surroundings, generation: int) -> bool:
    document = await world.document()
    return (document.status.phase, document.status.observed_generation) == (ServingPhase.READY, generation)


async def test_a_lost_store_and_an_empty_home_restart_no_pod(
    cluster: PlayedCluster, own_nats: NatsServer, tmp_path: Path
) -> None:
    model = model_directory(look_up(), tmp_path / "model")
    async with cluster.deployer(own_nats.url, tmp_path) as world:
        for version in ("v1", "v2"):
            await world.push(model, f"library/iris:{version}")
        for _ in range(EARLIER_REQUESTS):
            answer = await world.answer(await world.ask(requested("v1")))
        assert isinstance(answer.data, ServingReady)
        before, document = await cluster.objects(), await world.document()
    own_nats.lose_store()
    async with cluster.deployer(own_nats.url, tmp_path, work_dir=tmp_path / "new home") as world:
        await eventually(lambda: is_ready(world, document.generation), within=60)
        restored = await world.document()
        assert restored.spec == document.spec
        assert restored.status.variants == document.status.variants
        assert await cluster.objects() == before
        await world.ask(requested("v2"))
        await eventually(lambda: is_ready(world, document.generation + 1), within=60)
