"""Replicas that follow requests: the calculation, and the actions of the deployer."""

from typing import Any

import pytest

from klever_deployer.domain.analysis import Counts
from klever_deployer.domain.scale import Demand, Scale
from kleverproto.rollouts import RolloutPhase
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingPhase
from kleverproto.strategies import BlueGreen
from kleverproto.variants import Autoscaling
from kleverroutes.versions import Deployment
from support.deployer import IRIS, World, spec, variant
from support.waiting import eventually

SCALING = Autoscaling(min_replicas=0, max_replicas=4, target_in_flight=2, scale_down_seconds=10)
IDLE = Demand(in_flight=0, requests=0)


def looked(scale: Scale, demand: Demand, *seconds: float, scaling: Autoscaling = SCALING) -> list[int]:
    return [scale.look(demand, scaling, each) for each in seconds]


def test_replicas_grow_with_the_recent_average_up_to_the_maximum() -> None:
    scale = Scale(1)
    assert looked(scale, Demand(6, 10), 1, 2, 3) == [3, 3, 3]
    assert looked(scale, Demand(100, 10), 4) == [4]


def test_a_single_peak_does_not_count_as_the_load() -> None:
    scale = Scale(1)
    assert looked(scale, Demand(2, 1), 1, 2) == [1, 1]
    assert looked(scale, Demand(5, 1), 3) == [2]


def test_replicas_stop_only_after_a_long_time_of_lower_load() -> None:
    scale = Scale(1)
    looked(scale, Demand(8, 1), 0, 1, 2)
    assert looked(scale, Demand(2, 1), 3, 5, 12, 14, 16) == [4, 4, 4, 2, 1]


def test_the_last_replica_stops_when_idle_only_if_the_minimum_is_zero() -> None:
    scale = Scale(1)
    assert looked(scale, Demand(0, 5), 0) == [1]
    assert looked(scale, IDLE, 1, 2, 3, 9, 12, 14) == [1, 1, 1, 1, 1, 0]
    at_least = SCALING.model_copy(update={"min_replicas": 1})
    assert looked(Scale(1), IDLE, 0, 20, 40, scaling=at_least) == [1, 1, 1]


def test_short_requests_between_two_samples_keep_a_replica() -> None:
    assert looked(Scale(1), Demand(0, 1), 0, 20, 40) == [1, 1, 1]


def test_a_waiting_request_gets_a_replica_at_once_and_keeps_it_for_a_while() -> None:
    scale = Scale(0)
    scale.wake()
    assert scale.replicas == 1
    assert looked(scale, IDLE, 100, 105, 111) == [1, 1, 0]


SCALED = variant("v1", autoscaling=SCALING)
VERSION = Deployment(SCALED, 1).key(IRIS)


def scaled_spec(**changes: Any) -> ServingSpec:
    return spec("v1").model_copy(update={"variants": (SCALED,), **changes})


@pytest.fixture
async def world() -> World:
    world = World()
    await world.push("v1", "v2")
    await world.request(scaled_spec())
    await world.rollout().converge(IRIS)
    assert (await world.document()).status.phase is ServingPhase.READY
    return world


async def looks(world: World, active: int, *seconds: float) -> None:
    """Let the scaler measure this many open requests, and let the deployer act."""
    for each in seconds:
        world.seconds = each
        world.data_plane.counted[VERSION] = Counts(active=active)
        await world.scaler.look()
    await world.rollout().converge(IRIS)


async def test_replicas_are_started_and_stopped_and_recorded(world: World) -> None:
    await looks(world, 6, 1)
    assert await world.scaler.changed() == {IRIS}
    assert (world.running(), (await world.document()).status.variants[0].replicas) == (["v1"] * 3, 3)
    await looks(world, 2, 2, 3, 4, 5, 20)
    assert (world.running(), (await world.document()).status.variants[0].replicas) == (["v1"], 1)


async def test_a_request_that_waits_for_an_idle_version_starts_a_replica(world: World) -> None:
    await looks(world, 0, 0, 11, 22)
    assert world.running() == []
    (version,) = world.data_plane.routes[IRIS].versions
    assert version.can_be_idle
    world.scaler.wake(VERSION)
    assert await world.scaler.changed() == {IRIS}
    await world.rollout().converge(IRIS)
    assert world.running() == ["v1"]


async def test_the_next_deployer_starts_from_the_previous_number(world: World) -> None:
    await looks(world, 6, 1)
    await world.scaler.declare(IRIS, ())
    await world.rollout().converge(IRIS)
    assert world.running() == ["v1"] * 3


async def test_a_variant_scales_while_a_rollout_waits(world: World) -> None:
    new = variant("v2", autoscaling=SCALING)
    strategy = BlueGreen()
    wanted = spec("v2").model_copy(update={"variants": (new,), "strategy": strategy})
    await world.request(wanted)
    async with world.deployer() as reconciler:
        reconciler.intend(IRIS)

        async def waits() -> bool:
            rollout = (await world.document()).status.rollout
            return rollout is not None and rollout.phase is RolloutPhase.WAITING

        assert await eventually(waits)
        world.data_plane.counted[VERSION] = Counts(active=6)
        await world.scaler.look()

        async def has_grown() -> bool:
            return world.running().count("v1") == 3

        assert await eventually(has_grown)
