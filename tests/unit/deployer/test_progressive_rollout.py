"""Canary, blue-green and recreate in memory: steps, user commands, and deployers that die on the way."""

from datetime import timedelta
from typing import Any

import pytest

from klever_deployer.domain.analysis import Counts
from kleverproto.rollouts import RolloutAction, RolloutPhase, RolloutStatus
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingPhase, ServingProgressed, ServingRolledBack, TrafficShifted
from kleverproto.strategies import Analysis, BlueGreen, Canary, Recreate
from kleverroutes.versions import VersionKey
from support.deployer import IRIS, World, key, spec
from support.waiting import eventually

CANARY = Canary(steps=(10, 50), interval_seconds=60, analysis=Analysis(min_requests=10))
V2 = VersionKey(IRIS, "v2", key("v2").revision)


def with_strategy(version: str, strategy: Any) -> ServingSpec:
    return spec(version).model_copy(update={"strategy": strategy})


@pytest.fixture
async def world() -> World:
    """A world in which v1 serves."""
    world = World()
    await world.push("v1", "v2", "v3")
    await world.request(spec("v1"))
    await world.rollout().converge(IRIS)
    world.steps.taken.clear()
    return world


async def rollout(world: World, phase: RolloutPhase, weight: int) -> RolloutStatus:
    """Return the rollout once it exists."""

    async def reached() -> RolloutStatus | None:
        status = (await world.document()).status.rollout
        return status if status and (status.phase, status.weight) == (phase, weight) else None

    status = await eventually(reached, within=3)
    assert status is not None
    return status


async def answer_requests(world: World, *, requests: int, errors: int = 0) -> None:
    """Let the new version answer this many requests in a minute."""
    before = world.data_plane.counted.get(V2, Counts())
    world.data_plane.counted[V2] = Counts(before.requests + requests, before.errors + errors)
    world.now += timedelta(seconds=61)


async def answer_until(world: World, weight: int) -> None:
    """Let the new version answer requests until it has this share of the traffic."""

    async def reached() -> bool:
        status = (await world.document()).status.rollout
        if status is not None and status.weight >= weight:
            return status.weight == weight
        await answer_requests(world, requests=20)
        return False

    assert await eventually(reached, within=3, every=0.05)


async def test_a_good_canary_gets_all_traffic_step_by_step(world: World) -> None:
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer():
        await rollout(world, RolloutPhase.PROGRESSING, 10)
        assert world.weights() == {"v2": 10, "v1": 90}
        await answer_requests(world, requests=20)
        await rollout(world, RolloutPhase.PROGRESSING, 50)
        await answer_requests(world, requests=20)
        await world.settled(ServingPhase.READY)
    status = (await world.document()).status
    assert status.rollout is not None
    assert [step.weight for step in status.rollout.steps] == [10, 50, 100]
    assert [step.measured.requests if step.measured else None for step in status.rollout.steps] == [0, 20, 20]
    assert (status.rollout.phase, status.applied == (await world.document()).spec) == (RolloutPhase.PROMOTED, True)
    assert (world.running(), world.weights()) == (["v2"], {"v2": 100})
    shifted = [data.weights for data in world.publisher.data() if isinstance(data, TrafficShifted)]
    assert shifted == [{"v1": 100}, {"v2": 10, "v1": 90}, {"v2": 50, "v1": 50}, {"v2": 100}]


async def test_a_bad_canary_is_removed_automatically_with_the_reason(world: World) -> None:
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer():
        await rollout(world, RolloutPhase.PROGRESSING, 10)
        world.data_plane.counted[V2] = Counts(requests=20, errors=4)
        document = await world.settled(ServingPhase.FAILED)

        async def old_only() -> bool:
            return (world.running(), world.weights()) == (["v1"], {"v1": 100})

        assert await eventually(old_only)
    assert document.status.problem is not None
    assert document.status.problem.code == "analysis_failed"
    assert "20 % of 20 requests failed" in document.status.problem.message
    last = world.publisher.data()[-1]
    assert isinstance(last, ServingRolledBack)
    assert (last.rollout.phase, last.rollout.weight) == (RolloutPhase.ROLLED_BACK, 0)
    assert [step.weight for step in last.rollout.steps] == [10]


async def test_the_announced_share_is_the_traffic_of_each_variant(world: World) -> None:
    await world.request(spec("v1", "v2", weights=(80, 20)))
    await world.rollout().converge(IRIS)
    steps = [data.step for data in world.publisher.data() if isinstance(data, ServingProgressed)]
    assert steps[-1] == "v1 80 %, v2 20 % of the traffic: all at once"
    rollout = (await world.document()).status.rollout
    assert rollout is not None
    assert rollout.steps[-1].weights == {"v1": 80, "v2": 20}


async def test_a_canary_without_requests_waits(world: World) -> None:
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer():
        await rollout(world, RolloutPhase.PROGRESSING, 10)
        await answer_requests(world, requests=9)

        async def reports_reason() -> bool:
            status = (await world.document()).status.rollout
            return status is not None and "9 of 10 requests that an analysis needs" in status.message

        assert await eventually(reports_reason)
    assert world.weights() == {"v2": 10, "v1": 90}


@pytest.mark.parametrize(
    ("action", "phase", "weights"),
    [
        (RolloutAction.PROMOTE, ServingPhase.READY, {"v2": 100}),
        (RolloutAction.ABORT, ServingPhase.FAILED, {"v1": 100}),
    ],
)
async def test_without_counters_a_canary_waits_with_the_reason_and_only_users_move_it(
    world: World, action: RolloutAction, phase: ServingPhase, weights: dict[str, int]
) -> None:
    world.data_plane.uncounted = "Prometheus does not respond"
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer() as deployer:
        await rollout(world, RolloutPhase.PROGRESSING, 10)
        await answer_requests(world, requests=100)

        async def reports_reason() -> bool:
            status = (await world.document()).status.rollout
            return status is not None and status.message == "at 10 %: not analysed: Prometheus does not respond"

        assert await eventually(reports_reason)
        assert world.weights() == {"v2": 10, "v1": 90}
        await steer(world, deployer, action)
        await world.settled(phase)
    assert world.weights() == weights


async def test_a_canary_resumes_when_its_counters_are_available_again(world: World) -> None:
    world.data_plane.uncounted = "Prometheus does not respond"
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer():
        await rollout(world, RolloutPhase.PROGRESSING, 10)
        await answer_requests(world, requests=100)
        world.data_plane.uncounted = None
        await answer_until(world, 50)


async def test_a_rollout_can_be_paused_resumed_and_promoted(world: World) -> None:
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer() as deployer:
        await rollout(world, RolloutPhase.PROGRESSING, 10)
        await steer(world, deployer, RolloutAction.PAUSE)
        await rollout(world, RolloutPhase.PAUSED, 10)
        await answer_requests(world, requests=100)
        await steer(world, deployer, RolloutAction.RESUME)
        await answer_until(world, 50)
        await steer(world, deployer, RolloutAction.PROMOTE)
        await world.settled(ServingPhase.READY)
    assert world.weights() == {"v2": 100}


async def test_a_rollout_can_be_aborted(world: World) -> None:
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer() as deployer:
        await rollout(world, RolloutPhase.PROGRESSING, 10)
        await steer(world, deployer, RolloutAction.ABORT)
        document = await world.settled(ServingPhase.FAILED)
    assert document.status.problem is not None
    assert document.status.problem.code == "rollout_aborted"
    assert world.weights() == {"v1": 100}


async def test_a_command_for_another_generation_changes_nothing(world: World) -> None:
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer():
        await rollout(world, RolloutPhase.PROGRESSING, 10)
        await world.intents.steer(IRIS, 1, RolloutAction.ABORT, world.next_intent())
        status = (await world.document()).status.rollout
    assert status is not None
    assert status.action is None


async def test_blue_green_runs_beside_the_old_version_until_it_is_promoted(world: World) -> None:
    await world.request(with_strategy("v2", BlueGreen()))
    async with world.deployer() as deployer:
        await rollout(world, RolloutPhase.WAITING, 0)
        assert (world.running(), world.weights()) == (["v1", "v2"], {"v2": 0, "v1": 100})
        await steer(world, deployer, RolloutAction.PROMOTE)
        await world.settled(ServingPhase.READY)
    assert (world.running(), world.weights()) == (["v2"], {"v2": 100})


async def test_recreate_stops_the_old_version_before_the_new_one_starts(world: World) -> None:
    await world.request(with_strategy("v2", Recreate()))
    await world.rollout().converge(IRIS)
    order = [step for step in world.steps.taken if step.startswith(("start", "route", "stop"))]
    assert order == ["stop v1", "start v2", "route v2=100"]


async def test_a_failed_recreate_restores_the_old_version(world: World) -> None:
    world.unready["v2"] = "no model at all"
    await world.request(with_strategy("v2", Recreate()))
    await world.rollout().converge(IRIS)
    assert (world.running(), world.weights()) == (["v1"], {"v1": 100})


async def test_a_newer_spec_replaces_a_canary(world: World) -> None:
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer() as deployer:
        await rollout(world, RolloutPhase.PROGRESSING, 10)
        await world.request(spec("v3"))
        deployer.intend(IRIS)
        await world.settled(ServingPhase.READY)
    assert (world.running(), world.weights()) == (["v3"], {"v3": 100})


async def test_the_next_deployer_resumes_the_recorded_step(world: World) -> None:
    await world.request(with_strategy("v2", CANARY))
    async with world.deployer():
        await rollout(world, RolloutPhase.PROGRESSING, 10)
    async with world.deployer():
        await answer_until(world, 50)
    assert world.weights() == {"v2": 50, "v1": 50}


async def test_the_served_spec_is_kept_as_a_revision(world: World) -> None:
    for version in ("v2", "v3"):
        await world.request(spec(version))
        await world.rollout().converge(IRIS)
    revisions = (await world.document()).status.revisions
    assert [(each.generation, each.spec.variants[0].name) for each in revisions] == [(1, "v1"), (2, "v2"), (3, "v3")]
    assert all(each.spec.variants[0].digest for each in revisions)


async def steer(world: World, deployer: Any, action: RolloutAction) -> None:
    document = await world.document()
    await world.intents.steer(IRIS, document.generation, action, world.next_intent())
    deployer.intend(IRIS)
