"""Two processes of the registry, or of the deployer, under load: killing either loses and duplicates nothing."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import nats
import pytest

from klever_deployer.settings import DeployerSettings
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingRequested
from kleverproto.traffic import Traffic
from kleverproto.variants import Variant
from support import oci_artifacts as oci
from support.constant_load import Load, constant_load
from support.deployer_service import Surroundings
from support.nats_server import NatsServer
from support.oci_artifacts import OciClient
from support.processes import free_port
from support.registry_service import Platform, platform, running_registry
from support.replicas import ReplicaProcess, leader_and_standby
from support.small_models import adder
from support.waiting import eventually

TAKEOVER_SECONDS = 10.0
MODELS = 30


def adders(version: str) -> ServingSpec:
    """A spec in which one version gets all traffic."""
    variant = Variant(name=version, model=f"library/adder:{version}")
    return ServingSpec(variants=(variant,), traffic=Traffic(weights={version: 100}))


@dataclass
class Deployers:
    """Two deployers of one home, and their environment."""

    world: Surroundings
    replicas: tuple[ReplicaProcess, ReplicaProcess]

    async def deploy(self, version: str, directory: Path) -> str:
        """Push and deploy a version. Return its URL."""
        await self.world.push(directory, f"library/adder:{version}")
        request = await self.world.ask(ServingRequested(namespace="default", name="adder", spec=adders(version)))
        await self.world.answer(request)
        return (await self.world.document("adder")).status.url or ""


@pytest.fixture
async def deployers(own_nats: NatsServer, tmp_path: Path) -> AsyncIterator[Deployers]:
    home = {"nats_url": own_nats.url, "work_dir": tmp_path / "deployer", "ingress_port": free_port()}
    replicas = tuple(ReplicaProcess("deployer", number, tmp_path, home) for number in (1, 2))
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(running_registry(tmp_path / "registry", own_nats.url))
        client = await stack.enter_async_context(await nats.connect(own_nats.url))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for replica in replicas:
            stack.callback(replica.stop)
            replica.start(within=60)
        world = Surroundings(client, session, registry.address, DeployerSettings(work_dir=tmp_path / "deployer"))
        await world.allow_unsafe()
        first, second = replicas
        yield Deployers(world, (first, second))


async def has_answers(load: Load, count: int) -> bool:
    return load.answers.total() >= count


async def leads(replica: ReplicaProcess, *, within: float) -> None:
    began = time.monotonic()
    await eventually(replica.holds_the_lease, within=within + 5)
    assert time.monotonic() - began < within


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["killed", "suspended", "stopped"])
async def test_the_standby_takes_over_running_replicas_and_no_prediction_fails(
    deployers: Deployers, tmp_path: Path, how: str
) -> None:
    leader, standby = await leader_and_standby(*deployers.replicas)
    url = await deployers.deploy("v1", adder(tmp_path / "1", 1))
    async with constant_load(url) as load:
        await eventually(lambda: has_answers(load, 50), within=30)
        {"killed": leader.kill, "suspended": leader.suspend, "stopped": leader.stop}[how]()
        await leads(standby, within=3.0 if how == "stopped" else TAKEOVER_SECONDS)
        assert await deployers.deploy("v2", adder(tmp_path / "2", 2)) == url
        count = load.answers.total() + 50
        await eventually(lambda: has_answers(load, count), within=30)
    assert load.failures == {}
    assert set(load.answers) == {2.0, 3.0}
    if how == "suspended":
        assert leader.process is not None
        assert await asyncio.to_thread(leader.process.wait, 10) == -9, "it would act when it resumes"


@pytest.mark.timeout(120)
async def test_killing_a_standby_changes_nothing_and_the_last_deployer_stops_its_replicas(
    deployers: Deployers, tmp_path: Path
) -> None:
    leader, standby = await leader_and_standby(*deployers.replicas)
    url = await deployers.deploy("v1", adder(tmp_path / "1", 1))
    async with constant_load(url) as load:
        standby.kill()
        await eventually(lambda: has_answers(load, 50), within=30)
        assert await leader.holds_the_lease()
    assert load.failures == {}
    leader.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await deployers.world.infer(url, {})


@pytest.mark.timeout(120)
async def test_deployers_that_lose_nats_for_good_exit_and_leave_replicas_running(
    own_nats: NatsServer, deployers: Deployers, tmp_path: Path
) -> None:
    leader, _ = await leader_and_standby(*deployers.replicas)
    url = await deployers.deploy("v1", adder(tmp_path / "1", 1))
    async with constant_load(url) as load:
        own_nats.config = "max_connections: -1"
        own_nats.reload()
        for replica in deployers.replicas:
            assert replica.process is not None
            assert await asyncio.to_thread(replica.process.wait, 30) == 1
        count = load.answers.total() + 50
        await eventually(lambda: has_answers(load, count), within=30)
    assert load.failures == {}
    own_nats.config = ""
    own_nats.reload()
    leader.start(within=60)
    await eventually(leader.holds_the_lease, within=30)
    leader.stop()


@dataclass
class Registries:
    """Two registries of one data directory."""

    platform: Platform
    session: aiohttp.ClientSession
    replicas: tuple[ReplicaProcess, ReplicaProcess]

    async def push(self, number: int) -> str:
        """Push a model to either replica, or the other one if that is down, like a load balancer. Return its digest."""
        artifact = oci.model(f"weights {number}".encode())
        order = self.replicas if number % 2 else self.replicas[::-1]
        for attempt in range(40):
            try:
                await OciClient(self.session, order[attempt % 2].address).push("storm/iris", f"v{number}", artifact)
            except (aiohttp.ClientError, AssertionError):
                continue
            return artifact.digest
        raise AssertionError(f"v{number} could not be pushed")


@pytest.fixture
async def registries(own_nats: NatsServer, tmp_path: Path) -> AsyncIterator[Registries]:
    settings = {
        "nats_url": own_nats.url,
        "data_dir": tmp_path / "registry",
        "public_address": "localhost:5000",
        "open": "true",
        "collect_seconds": 0.2,
        "reconcile_seconds": 1,
    }
    first, second = (ReplicaProcess("registry", number, tmp_path, settings) for number in (1, 2))
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for replica in (first, second):
            stack.callback(replica.stop)
            replica.start(within=60)
        await leader_and_standby(first, second)
        yield Registries(await stack.enter_async_context(platform(own_nats.url)), session, (first, second))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("victim", ["leader", "standby"])
async def test_pushes_to_two_registries_survive_the_loss_of_either_and_are_announced_once(
    registries: Registries, victim: str
) -> None:
    leader, standby = await leader_and_standby(*registries.replicas)
    killed, survivor = (leader, standby) if victim == "leader" else (standby, leader)
    slots, pushed = asyncio.Semaphore(4), dict[int, str]()

    async def push(number: int) -> None:
        async with slots:
            pushed[number] = await registries.push(number)

    async def has_pushed() -> bool:
        return len(pushed) >= MODELS // 3

    async with asyncio.TaskGroup() as pushes:
        for number in range(MODELS):
            pushes.create_task(push(number))
        await eventually(has_pushed, within=30)
        killed.kill()
    await leads(survivor, within=TAKEOVER_SECONDS)
    for number, digest in pushed.items():
        assert (await registries.platform.settled(f"storm/iris:v{number}", digest)).generation == 1
    versions = [event.data.ref.version for event in await registries.platform.events("model.pushed")]
    assert sorted(versions) == sorted(f"v{number}" for number in range(MODELS))
    tags = await OciClient(registries.session, survivor.address).request("GET", "/v2/storm/iris/tags/list")
    assert sorted(tags.json["tags"]) == sorted(versions)
    killed.start()
    await leader_and_standby(*registries.replicas)
