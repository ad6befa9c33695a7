"""A NATS cluster of three nodes: one is killed and restarts, and neither a push nor a prediction fails."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from nats.aio.client import Client

from klever_deployer.settings import DeployerSettings
from kleverkit.nats_calls import ClientSource
from kleverkit.nats_documents import NatsDocuments
from kleverproto.models import ModelDocument
from kleverproto.references import ModelRef
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingPhase, ServingRequested
from kleverproto.streams import LEASES_BUCKET, MODELS, MODELS_BUCKET, SERVINGS_BUCKET
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant
from support import oci_artifacts as oci
from support.constant_load import constant_load
from support.deployer_service import Surroundings
from support.nats_cluster import NatsCluster
from support.oci_artifacts import OciClient
from support.processes import free_port
from support.replicas import ReplicaProcess
from support.small_models import adder
from support.waiting import eventually

PUSHES = 10


@pytest.fixture
async def world(
    nats_cluster: NatsCluster, nats_cluster_client: Client, tmp_path: Path
) -> AsyncIterator[tuple[Surroundings, list[ReplicaProcess]]]:
    """A registry and a deployer with three replicas of every stream, and a client of the cluster."""
    shared = {"nats_url": nats_cluster.urls, "stream_replicas": 3}
    registry = ReplicaProcess(
        "registry",
        1,
        tmp_path,
        shared | {"data_dir": tmp_path / "registry", "open": "true"},
    )
    deployer = ReplicaProcess(
        "deployer",
        1,
        tmp_path,
        shared
        | {
            "work_dir": tmp_path / "deployer",
            "ingress_port": free_port(),
        },
    )
    async with AsyncExitStack() as stack:
        for service in (registry, deployer):
            stack.callback(service.stop)
            service.start(within=60)
        for service in (registry, deployer):
            await eventually(service.reports_ready, within=60)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        settings = DeployerSettings(work_dir=tmp_path / "deployer")
        yield Surroundings(nats_cluster_client, session, registry.address, settings), [registry, deployer]


@pytest.mark.timeout(300)
async def test_a_killed_node_that_restarts_fails_no_push_and_no_prediction(
    nats_cluster: NatsCluster, world: tuple[Surroundings, list[ReplicaProcess]], tmp_path: Path
) -> None:
    surroundings, services = world
    await surroundings.allow_unsafe()
    await surroundings.push(adder(tmp_path / "1", 1), "library/adder:v1")
    variant = Variant(name="v1", model="library/adder:v1")
    wanted = ServingSpec(variants=(variant,), traffic=Traffic(weights={"v1": 100}))
    await surroundings.ask(ServingRequested(namespace="default", name="adder", spec=wanted))

    async def is_served() -> bool:
        return (await surroundings.document("adder")).status.phase is ServingPhase.READY

    await eventually(is_served, within=90, every=0.2)
    url = (await surroundings.document("adder")).status.url or ""
    registry = OciClient(surroundings.session, surroundings.registry)
    pushed: dict[str, str] = {}

    async def push(*versions: str) -> None:
        for version in versions:
            artifact = oci.model(version.encode())
            await registry.push("storm/iris", version, artifact)
            pushed[version] = artifact.digest

    async with constant_load(url) as load:
        for number, stream in enumerate((MODELS.name, LEASES_BUCKET.stream, SERVINGS_BUCKET.stream)):
            node = nats_cluster.nodes[await nats_cluster.leader_of(stream)]
            node.kill()
            await push(*(f"v{number}-{count}" for count in range(PUSHES)))
            node.start(within=60)
        await asyncio.gather(*(nats_cluster.leader_of(stream) for stream in (MODELS.name, SERVINGS_BUCKET.stream)))
    assert load.failures == {}

    source = ClientSource()
    source.set(surroundings.client)
    documents = NatsDocuments(source, MODELS_BUCKET, ModelDocument)

    async def all_announced() -> bool:
        stored = [await documents.get(ModelRef.parse(f"storm/iris:{version}").key) for version in pushed]
        return all(
            each is not None
            and each.document.spec.digest == pushed[each.document.spec.ref.version]
            and each.document.status.announced_generation == each.document.generation
            for each in stored
        )

    await eventually(all_announced, within=60, every=0.2)
    for service in services:
        await eventually(service.reports_ready, within=60)
    assert [service.process.poll() for service in services if service.process] == [None, None]
