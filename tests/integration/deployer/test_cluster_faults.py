"""A deployer whose cluster fails: nothing that serves is touched, and everything is repaired."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from kubernetes_asyncio.client import AppsV1Api, CoreV1Api

from kleverkubeclient.resources import DEPLOYMENTS, SERVICES, VIRTUAL_SERVICES
from kleverproto.servings import ServingDeleteRequested, ServingPhase, ServingReady, ServingRequested
from support.custom_definitions import ISTIO, install, uninstall
from support.deployer import spec
from support.deployer_service import Surroundings, without_deployer
from support.kube_api_server import KubeApiServer, kube_api_server
from support.kube_cleanup import delete_leftovers
from support.nats_server import NatsServer
from support.onnx_models import look_up, model_directory
from support.played_cluster import PlayedCluster, played_cluster
from support.replicas import ReplicaProcess, leader_and_standby
from support.waiting import eventually

pytestmark = [pytest.mark.api_server, pytest.mark.timeout(300)]

WITHIN = 90.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiServer]:
    """An API server that tests may kill."""
    with kube_api_server(tmp_path_factory.mktemp("own-kube")) as server:
        yield server


@pytest.fixture
async def cluster(server: KubeApiServer) -> AsyncIterator[PlayedCluster]:
    await asyncio.to_thread(delete_leftovers, server.kubeconfig)
    async with played_cluster(server.kubeconfig) as cluster:
        yield cluster


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return model_directory(look_up(), tmp_path / "model")


async def deploy(world: Surroundings, model: Path, namespace: str = "default") -> ServingReady:
    await world.push(model, "library/iris:v1")
    answer = await world.answer(await world.ask(requested("v1", namespace)))
    assert isinstance(answer.data, ServingReady), answer.data
    return answer.data


def requested(version: str, namespace: str = "default") -> ServingRequested:
    return ServingRequested(namespace=namespace, name="iris", spec=spec(version))


async def readiness(world: Surroundings) -> str:
    async with world.session.get(f"http://127.0.0.1:{world.settings.port}/readyz") as response:
        return "" if response.status == 200 else await response.text()


async def test_an_api_server_that_is_killed_makes_no_serving_unavailable(
    server: KubeApiServer, cluster: PlayedCluster, own_nats: NatsServer, tmp_path: Path, model: Path
) -> None:
    async with cluster.deployer(own_nats.url, tmp_path) as world:
        await deploy(world, model)
        before, objects = await world.document(), await cluster.objects()
        server.process.kill()

        async def is_reported() -> bool:
            return "API server does not respond" in await readiness(world)

        await eventually(is_reported, within=WITHIN)
        server.process.start(within=WITHIN)

        async def is_ready() -> bool:
            return not await readiness(world)

        await eventually(is_ready, within=WITHIN)
        after = await world.document()
        assert (after.status.phase, after.status.ready_at) == (ServingPhase.READY, before.status.ready_at)
        assert await cluster.objects() == objects
        assert isinstance((await world.answer(await world.ask(requested("v1")))).data, ServingReady)


async def test_changes_of_others_are_undone_when_they_happen(
    cluster: PlayedCluster, own_nats: NatsServer, tmp_path: Path, model: Path
) -> None:
    async with cluster.deployer(own_nats.url, tmp_path, resync_seconds=3600) as world:
        await deploy(world, model)
        [name] = [name.partition("/")[2] for name in await cluster.objects(DEPLOYMENTS)]
        drift = {"spec": {"replicas": 5, "paused": True}, "metadata": {"labels": {"klever.dev/revision": "other"}}}
        await AppsV1Api(cluster.client).patch_namespaced_deployment(name, "default", drift)
        await CoreV1Api(cluster.client).delete_namespaced_service(name, "default")
        await cluster.api.delete(VIRTUAL_SERVICES, "default", "iris")

        async def is_repaired() -> bool:
            deployment = await cluster.api.read(DEPLOYMENTS, "default", name)
            assert deployment is not None
            return (
                deployment["spec"]["replicas"] == 1
                and deployment["metadata"]["labels"]["klever.dev/revision"] != "other"
                and await cluster.api.read(SERVICES, "default", name) is not None
                and await cluster.api.read(VIRTUAL_SERVICES, "default", "iris") is not None
            )

        await eventually(is_repaired, within=WITHIN)


async def test_a_namespace_that_is_deleted_and_created_again_is_served_again(
    cluster: PlayedCluster, own_nats: NatsServer, tmp_path: Path, model: Path
) -> None:
    core = CoreV1Api(cluster.client)
    await cluster.create_namespace("team-a")
    async with cluster.deployer(own_nats.url, tmp_path, resync_seconds=1) as world:
        await deploy(world, model, "team-a")
        await core.delete_namespace("team-a")

        async def is_unavailable() -> bool:
            status = (await world.document(namespace="team-a")).status
            named = status.problem is not None and "Create it with `kubectl create namespace`" in status.problem.message
            return status.phase is ServingPhase.PROGRESSING and named

        await eventually(is_unavailable, within=WITHIN)
        await cluster.create_namespace("team-a")

        async def is_ready() -> bool:
            status = (await world.document(namespace="team-a")).status
            return status.phase is ServingPhase.READY and status.problem is None

        await eventually(is_ready, within=WITHIN)
        await core.delete_namespace("team-a")
        await eventually(is_unavailable, within=WITHIN)
        await world.ask(ServingDeleteRequested(namespace="team-a", name="iris"))
        await world.is_buried(namespace="team-a")


async def test_missing_kinds_of_routes_are_named_until_they_are_installed(
    cluster: PlayedCluster, own_nats: NatsServer, tmp_path: Path, model: Path
) -> None:
    async with cluster.deployer(own_nats.url, tmp_path) as world:
        await deploy(world, model)
        pods = await cluster.objects(DEPLOYMENTS)
        await uninstall(cluster.client, *ISTIO)

        async def is_named() -> bool:
            return "install its CustomResourceDefinition" in await readiness(world)

        await eventually(is_named, within=WITHIN)
        await install(cluster.client, *ISTIO)

        async def is_routed_again() -> bool:
            return not await readiness(world) and "virtualservices/iris" in await cluster.objects(VIRTUAL_SERVICES)

        await eventually(is_routed_again, within=WITHIN)
        assert await cluster.objects(DEPLOYMENTS) == pods


async def test_what_a_deployer_has_left_of_undeployed_servings_is_removed(
    cluster: PlayedCluster, own_nats: NatsServer, tmp_path: Path, model: Path
) -> None:
    async with cluster.deployer(own_nats.url, tmp_path) as world:
        await deploy(world, model)
        [name] = [name.partition("/")[2] for name in await cluster.objects(DEPLOYMENTS)]
        service = await cluster.api.read(SERVICES, "default", name)
        assert service is not None
        await world.ask(ServingDeleteRequested(namespace="default", name="iris"))
        await world.is_buried()
    metadata = {each: service["metadata"][each] for each in ("name", "namespace", "labels")}
    ports = [{"name": "http", "port": 8080, "targetPort": "http"}]
    left = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}
    await cluster.api.apply(left)
    async with cluster.deployer(own_nats.url, tmp_path) as world:

        async def is_empty() -> bool:
            return await cluster.objects() == {}

        await eventually(is_empty, within=WITHIN)


async def test_the_standby_takes_over_what_a_killed_leader_has_applied(
    cluster: PlayedCluster, own_nats: NatsServer, tmp_path: Path, model: Path
) -> None:
    settings = {"nats_url": own_nats.url, **cluster.settings}
    replicas = [
        ReplicaProcess("deployer", number, tmp_path, {**settings, "work_dir": tmp_path / f"home-{number}"})
        for number in (1, 2)
    ]
    async with AsyncExitStack() as stack:
        for replica in replicas:
            stack.callback(replica.stop)
            replica.start(within=WITHIN)
        world = await stack.enter_async_context(without_deployer(own_nats.url, tmp_path))
        leader, standby = await leader_and_standby(*replicas)
        await deploy(world, model)
        objects = await cluster.objects()
        leader.kill()
        await eventually(standby.holds_the_lease, within=WITHIN)
        await eventually(standby.reports_ready, within=WITHIN)
        await world.push(model, "library/iris:v2")
        assert isinstance((await world.answer(await world.ask(requested("v2")))).data, ServingReady)
        assert (await cluster.objects())["virtualservices/iris"] == objects["virtualservices/iris"]
