"""Records of lost and recovered model servers and routes."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from klever_deployer.domain.versions import VersionState
from klever_deployer.service.observer import START_SECONDS, Observer
from kleverproto.servings import ServingDocument, ServingPhase, ServingReady, ServingUnavailable
from kleverproto.variants import Autoscaling
from kleverroutes.routing import ServingRoute
from support.deployer import IRIS, World, key, spec, variant
from support.waiting import eventually, others


async def ready_world(*, replicas: int = 1) -> World:
    world = World()
    await world.push("v1", "v2")
    await world.request(spec("v1", replicas=replicas))
    await world.rollout().converge(IRIS)
    return world


def observer(world: World, *, seconds: float = START_SECONDS) -> Observer:
    """An observer that has run for this long."""
    moments = iter([0.0])
    return Observer(world.records, world.rollout().servers, lambda: next(moments, seconds))


def outages(world: World) -> list[type]:
    return [type(data) for data in world.publisher.data() if isinstance(data, ServingUnavailable | ServingReady)]


def lose(world: World) -> None:
    """Kill the only replica."""
    [state] = (state for state in world.workloads.states() if state.key == key("v1"))
    world.workloads.become(replace(state, ready=0, restarts=1))


async def observed(world: World) -> ServingDocument:
    await observer(world).look()
    return await world.document()


async def test_a_serving_without_replicas_is_not_ready_until_one_is_back() -> None:
    world = await ready_world()
    [healthy] = world.workloads.states()
    for restarts in (1, 2):
        world.now += timedelta(minutes=1)
        world.workloads.become(replace(healthy, ready=0, restarts=restarts))
        status = (await observed(world)).status
        assert (status.phase, status.variants[0].ready_replicas) == (ServingPhase.PROGRESSING, 0)
        assert status.problem is not None
        assert status.problem.code == "no_replicas"
        assert status.unavailable_since == world.now
        world.workloads.become(replace(healthy, restarts=restarts))
        status = (await observed(world)).status
        assert (status.phase, status.problem, status.unavailable_since) == (ServingPhase.READY, None, None)
    assert outages(world) == [ServingReady, *[ServingUnavailable, ServingReady] * 2]
    assert len({event.id for event in world.publisher.events}) == len(world.publisher.events)


async def test_a_vanished_replica_counts_as_lost() -> None:
    world = await ready_world()
    await world.workloads.remove(key("v1"))
    assert (await observed(world)).status.phase is ServingPhase.PROGRESSING


async def test_a_serving_with_another_replica_stays_ready_and_reports_the_number() -> None:
    world = await ready_world(replicas=2)
    [both] = world.workloads.states()
    world.workloads.become(replace(both, ready=1, restarts=1))
    status = (await observed(world)).status
    assert (status.phase, status.variants[0].ready_replicas, status.variants[0].restarts) == (ServingPhase.READY, 1, 1)
    assert outages(world) == [ServingReady]


async def test_a_serving_without_a_route_is_not_ready() -> None:
    world = await ready_world()
    await world.data_plane.remove(IRIS)
    status = (await observed(world)).status
    assert status.phase is ServingPhase.PROGRESSING
    assert status.problem is not None
    assert status.problem.code == "no_route"
    await world.rollout().converge(IRIS)
    assert (await world.document()).status.phase is ServingPhase.READY


async def test_a_serving_without_its_proxy_is_not_ready_except_after_a_short_outage() -> None:
    world = await ready_world()
    seconds = 100.0
    looking = Observer(world.records, world.rollout().servers, lambda: seconds)
    phases = []
    await looking.look()
    for is_up, passed in ((True, START_SECONDS), (False, 0.5), (True, 0.5), (False, 0.5), (False, 0.5), (True, 0.5)):
        world.data_plane.up = is_up
        seconds += passed
        await looking.look()
        phases.append((await world.document()).status.phase)
    ready, away = ServingPhase.READY, ServingPhase.PROGRESSING
    assert phases == [ready, ready, ready, ready, away, ready]


async def test_a_serving_whose_last_generation_failed_stays_failed() -> None:
    world = await ready_world()
    world.unready["v2"] = "cannot parse model.onnx"
    await world.request(spec("v2"))
    await world.rollout().converge(IRIS)
    before = (await world.document()).status
    lose(world)
    status = (await observed(world)).status
    assert (status.phase, status.problem) == (ServingPhase.FAILED, before.problem)
    assert status.variants[0].ready_replicas == 0


async def sleeping_world() -> World:
    world = World()
    await world.push("v1")
    scaling = Autoscaling(min_replicas=0, max_replicas=1)
    await world.request(spec("v1").model_copy(update={"variants": (variant("v1", autoscaling=scaling),)}))
    await world.rollout().converge(IRIS)
    return world


async def test_a_serving_that_is_scaled_to_zero_or_wakes_is_ready() -> None:
    world = await sleeping_world()
    [state] = world.workloads.states()
    await world.workloads.remove(state.key)
    assert (await observed(world)).status.phase is ServingPhase.READY
    world.workloads.become(replace(state, ready=0))
    assert (await observed(world)).status.phase is ServingPhase.READY


async def test_a_serving_that_does_not_wake_is_not_ready() -> None:
    world = await sleeping_world()
    [state] = world.workloads.states()
    world.workloads.become(replace(state, ready=0, problem="out of memory", restarts=3))
    status = (await observed(world)).status
    assert status.phase is ServingPhase.PROGRESSING
    assert status.problem is not None
    assert "out of memory" in status.problem.message


async def test_observing_unchanged_servings_reads_and_writes_nothing() -> None:
    world = await ready_world()
    await observed(world)
    reads, taken = world.documents.reads, len(world.steps.taken)
    for _ in range(10):
        await observer(world).look()
    assert (world.documents.reads, world.documents.listings, len(world.steps.taken)) == (reads, [], taken)


async def test_a_loss_is_recorded_while_the_worker_of_the_serving_waits_for_the_proxy() -> None:
    world = await ready_world()
    async with world.deployer():
        await world.settled(ServingPhase.READY)
        waiting = asyncio.Event()

        async def never(_route: ServingRoute) -> None:
            waiting.set()
            await asyncio.Event().wait()

        world.data_plane.on_apply = never
        lose(world)
        await waiting.wait()

        async def is_recorded() -> bool:
            return (await world.document()).status.phase is ServingPhase.PROGRESSING

        assert await eventually(is_recorded, within=2 * START_SECONDS)


async def test_replicas_of_an_earlier_deployer_are_not_lost_before_they_are_probed() -> None:
    world = await ready_world()
    [healthy] = world.workloads.states()
    world.workloads.become(VersionState(key("v1")))
    route = world.data_plane.routes[IRIS]
    await observer(world, seconds=START_SECONDS - 1).look()
    assert (await world.document()).status.phase is ServingPhase.READY
    converging = asyncio.create_task(world.rollout().converge(IRIS))
    await others()
    world.workloads.become(healthy)
    await converging
    assert world.data_plane.routes[IRIS] == route
    assert outages(world) == [ServingReady]


async def test_an_outage_left_unpublished_by_a_crash_is_published_once() -> None:
    world = await ready_world()
    lose(world)
    world.steps.left = len(world.steps.taken) + 1  # record
    async with world.deployer():
        await world.steps.died.wait()
    world.steps.left = None
    assert (await world.document()).status.phase is ServingPhase.PROGRESSING
    assert outages(world) == [ServingReady]
    await world.rollout().converge(IRIS)
    assert outages(world) == [ServingReady, ServingUnavailable]
