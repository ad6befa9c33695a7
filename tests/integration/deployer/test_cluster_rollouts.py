"""Rollouts and replicas on a cluster, judged by metrics of a real Envoy in a real Prometheus; pods are played."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kleverproto.envelope import Event
from kleverproto.rollouts import RolloutAction, RolloutPhase, RolloutStatus
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import (
    ServingDeleteRequested,
    ServingReady,
    ServingRequested,
    ServingRolloutRequested,
)
from support.data_planes import Upstream, answered_by, upstreams
from support.deployer_service import Surroundings
from support.routed_cluster import ANSWER, RoutedCluster, routed_cluster
from support.small_models import adder
from support.waiting import eventually

pytestmark = [pytest.mark.api_server, pytest.mark.timeout(240)]

CANARY = {
    "type": "canary",
    "steps": [20, 60],
    "intervalSeconds": 1.0,
    "analysis": {"maxErrorPercent": 5, "minRequests": 20},
}
WITHIN = 60


@dataclass
class World:
    """A deployer, its cluster, and the servers of the old and the new version."""

    cluster: RoutedCluster
    deployer: Surroundings
    old: Upstream
    new: Upstream
    generation: int = 0

    async def request(self, server: Upstream, strategy: dict[str, Any] | None = None, **changes: Any) -> Event[Any]:
        """Request the version that a server responds for."""
        variant = {
            "name": "iris",
            "model": "library/iris:v1",
            "custom": {"image": "server"},
            "env": {ANSWER: server.name},
            **changes,
        }
        fields = {
            "variants": [variant],
            "traffic": {"weights": {"iris": 100}},
            "strategy": strategy or {"type": "rolling"},
        }
        spec = ServingSpec.model_validate(fields)
        cause = await self.deployer.ask(ServingRequested(namespace="default", name="iris", spec=spec))

        async def is_recorded() -> bool:
            document = await self.deployer.document()
            self.generation = document.generation
            return document.status.intent is not None and document.status.intent.event_id == cause.id

        assert await eventually(is_recorded, within=WITHIN)
        return cause

    async def steer(self, action: RolloutAction) -> None:
        request = ServingRolloutRequested(namespace="default", name="iris", generation=self.generation, action=action)
        await self.deployer.ask(request)

    async def serve_old(self) -> None:
        """Serve the old version."""
        event = await self.deployer.answer(await self.request(self.old))
        assert isinstance(event.data, ServingReady), event.data

        async def is_answered() -> bool:
            return await self.cluster.requests.ask() == "old"

        assert await eventually(is_answered, within=WITHIN)
        self.cluster.requests.failures.clear()

    async def rollout(self) -> RolloutStatus:
        rollout = (await self.deployer.document()).status.rollout
        assert rollout is not None
        return rollout

    async def until(self, weight: int, message: str) -> None:
        """Wait for a step of the rollout with this message."""

        async def is_reached() -> bool:
            rollout = await self.rollout()
            return (rollout.generation, rollout.weight) == (self.generation, weight) and message in rollout.message

        assert await eventually(is_reached, within=WITHIN)


@pytest.fixture
async def world(kubeconfig: Path, nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with (
        upstreams("old", "new") as (old, new),
        routed_cluster(kubeconfig, tmp_path / "cluster", old, new) as cluster,
        cluster.deployer(nats_url, tmp_path, cluster_scaling="requests") as deployer,
    ):
        await deployer.push(adder(tmp_path / "adder", 1), "library/iris:v1")
        world = World(cluster, deployer, old, new)
        await world.serve_old()
        yield world
        await deployer.ask(ServingDeleteRequested(namespace="default", name="iris"))
        assert await deployer.is_buried()


async def test_a_bad_canary_is_rolled_back_automatically(world: World) -> None:
    world.new.status = 500
    async with world.cluster.requests.load() as load:
        await world.request(world.new, CANARY)
        await world.until(0, "requests failed, and the limit is 5 %")
        await answered_by(load, "old", 50)
        failed = world.new.answered
        await answered_by(load, "old", 50)
        assert world.new.answered == failed
    rollout = await world.rollout()
    assert (rollout.phase, rollout.weight) == (RolloutPhase.ROLLED_BACK, 0)
    assert [step.weight for step in rollout.steps] == [20]


async def test_a_good_canary_is_promoted_automatically_and_no_request_fails(world: World) -> None:
    async with world.cluster.requests.load() as load:
        event = await world.deployer.answer(await world.request(world.new, CANARY))
        assert isinstance(event.data, ServingReady), event.data
        await answered_by(load, "new", 50)
    assert world.cluster.requests.failures == []
    rollout = await world.rollout()
    assert [step.weight for step in rollout.steps] == [20, 60, 100]
    measured = [step.measured for step in rollout.steps[1:]]
    assert all(each is not None and each.requests >= 20 and each.error_percent == 0 for each in measured)
    assert sum(each.requests for each in measured if each is not None) <= world.new.answered


@pytest.mark.parametrize(
    ("action", "phase", "server"),
    [(RolloutAction.PROMOTE, RolloutPhase.PROMOTED, "new"), (RolloutAction.ABORT, RolloutPhase.ROLLED_BACK, "old")],
)
async def test_while_prometheus_is_down_only_users_move_a_canary(
    world: World, action: RolloutAction, phase: RolloutPhase, server: str
) -> None:
    world.cluster.prometheus.process.stop()
    async with world.cluster.requests.load() as load:
        await world.request(world.new, CANARY)
        await world.until(20, "not analysed: the metrics in Prometheus at")
        await answered_by(load, "new", 50)
        assert (await world.rollout()).weight == 20
        await world.steer(action)

        async def is_over() -> bool:
            return (await world.rollout()).phase is phase

        assert await eventually(is_over, within=WITHIN)
        await answered_by(load, server, 50)
    assert world.cluster.requests.failures == []


async def test_blue_green_needs_no_counters(world: World) -> None:
    world.cluster.prometheus.process.stop()
    await world.request(world.new, {"type": "blueGreen"})
    await world.until(0, "ready beside the old version")
    assert await world.cluster.requests.ask(x_klever_preview="true") == "new"
    assert await world.cluster.requests.ask() == "old"
    await world.steer(RolloutAction.PROMOTE)

    async def is_promoted() -> bool:
        return await world.cluster.requests.ask() == "new"

    assert await eventually(is_promoted, within=WITHIN)


async def test_replicas_follow_the_requests_in_flight(world: World) -> None:
    """The servers of the old version hold their requests, as the replicas of a model that is too slow do."""
    autoscaling = {"minReplicas": 1, "maxReplicas": 3, "targetInFlight": 2, "scaleDownSeconds": 2}
    event = await world.deployer.answer(await world.request(world.old, autoscaling=autoscaling))
    assert isinstance(event.data, ServingReady), event.data

    async def replicas() -> int:
        [variant] = (await world.deployer.document()).status.variants
        return variant.replicas if variant.replicas == variant.ready_replicas else 0

    async def are_three() -> bool:
        return await replicas() == 3

    async def is_one() -> bool:
        return await replicas() == 1

    client = world.cluster.requests
    slow = [asyncio.create_task(client.another().ask(path="slow")) for _ in range(6)]
    assert await eventually(are_three, within=WITHIN, every=0.1)
    world.old.resume.set()
    assert await asyncio.gather(*slow) == ["old"] * 6
    assert await eventually(is_one, within=WITHIN, every=0.1)
