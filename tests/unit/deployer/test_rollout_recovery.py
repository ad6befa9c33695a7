"""A deployer that dies before any of its steps: the next one reaches the same state with the same events."""

from collections.abc import Awaitable, Callable

import pytest

from kleverproto.servings import ServingPhase, ServingStatus
from support.bucket_contents import tombstones_in
from support.deployer import IRIS, World, spec
from support.waiting import eventually

Change = Callable[[World], Awaitable[None]]
FINAL = (ServingPhase.READY, ServingPhase.FAILED)


async def first(world: World) -> None:
    await world.request(spec("v1"))


async def next_version(world: World) -> None:
    await world.request(spec("v2"))


async def canary(world: World) -> None:
    await world.request(spec("v1", "v2", weights=(90, 10)))


async def broken_version(world: World) -> None:
    world.unready["v2"] = "cannot parse model.onnx"
    await world.request(spec("v2"))


async def unknown_version(world: World) -> None:
    await world.request(spec("v9"))


async def deletion(world: World) -> None:
    await world.request_deletion()


CHANGES = [first, next_version, canary, broken_version, unknown_version, deletion]


async def prepared(change: Change) -> World:
    """A world in which v1 serves, unless the change is the first, and the change is requested and not started."""
    world = World()
    await world.push("v1", "v2")
    if change is not first:
        await first(world)
        await world.rollout().converge(IRIS)
    await change(world)
    world.steps.taken.clear()
    return world


def always_served(world: World) -> bool:
    """Return whether every route leads to versions that accept requests."""
    running = {state.key for state in world.workloads.states() if state.ready}
    routed = {version.key for route in world.data_plane.routes.values() for version in route.versions}
    return routed <= running


async def end_of(world: World) -> tuple[object, ...]:
    document = await world.records.read(IRIS)
    outcome: tuple[object, ...] = (
        (await tombstones_in(world.documents),) if document is None else _outcome(document.status)
    )
    return (*outcome, world.running(), world.data_plane.routes, world.announced())


def _outcome(status: ServingStatus) -> tuple[object, ...]:
    return status.phase, status.observed_generation, status.problem, status.variants, status.url


async def undisturbed(change: Change) -> tuple[int, tuple[object, ...]]:
    """Return the number of steps of the change, and the final state."""
    world = await prepared(change)
    await world.rollout().converge(IRIS)
    return len(world.steps.taken), await end_of(world)


@pytest.mark.parametrize("change", CHANGES, ids=[change.__name__ for change in CHANGES])
async def test_the_successor_of_a_deployer_that_dies_at_any_step_reaches_the_same_end(change: Change) -> None:
    count, expected = await undisturbed(change)
    assert count >= 3
    for steps in range(count):
        world = await prepared(change)
        await _die(world, steps)
        assert len(world.steps.taken) == steps
        assert always_served(world), world.steps.taken
        async with world.deployer():
            await (world.tombstone() if change is deletion else world.settled(*FINAL))

            async def ends_the_same(world: World = world) -> bool:
                return await end_of(world) == expected

            assert await eventually(ends_the_same, within=3), (steps, world.steps.taken)


async def _die(world: World, steps: int) -> None:
    world.steps.left = steps
    async with world.deployer():
        await world.steps.died.wait()
    world.steps.left = None


async def test_the_old_version_serves_after_a_machine_crash_until_the_new_one_can() -> None:
    world = await prepared(next_version)
    world.unready["v2"] = None
    await _die(world, 3)
    for state in world.workloads.states():
        await world.workloads.remove(state.key)
    async with world.deployer():

        async def both_run() -> bool:
            return world.running() == ["v1", "v2"]

        assert await eventually(both_run)
    assert world.weights() == {"v1": 100}
