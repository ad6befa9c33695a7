"""Custom commands run only if the operator allows it, for every request and whatever ran before."""

import pytest

from kleverproto.servings import ServingDocument, ServingPhase
from kleverproto.variants import Custom
from support.deployer import IRIS, World, spec

COMMAND = Custom(command=("serve",))
OTHER = "v2"


async def applied(world: World, *versions: str, own: str = "v1") -> ServingDocument:
    """Request these variants, one of which has a command, and converge."""
    weights = (100,) if len(versions) == 1 else (60, 40)
    wanted = spec(*versions, weights=weights)
    variants = [v.model_copy(update={"custom": COMMAND}) if v.name == own else v for v in wanted.variants]
    await world.push(*versions)
    await world.request(wanted.model_copy(update={"variants": tuple(variants)}))
    return await converged(world)


async def converged(world: World) -> ServingDocument:
    await world.rollout().converge(IRIS)
    document = await world.records.read(IRIS)
    assert document is not None
    return document


@pytest.fixture
def world() -> World:
    return World()


def running(world: World) -> set[str]:
    return {state.key.variant for state in world.workloads.states()}


async def test_the_deployer_refuses_a_command_too(world: World) -> None:
    world.allow_commands = False
    document = await applied(world, "v1")
    assert document.status.phase is ServingPhase.FAILED
    assert document.status.problem is not None
    assert document.status.problem.code == "commands_not_allowed"
    assert "klever up --allow-commands" in document.status.problem.message
    assert running(world) == set()


async def test_a_command_that_is_no_longer_allowed_is_stopped_and_failed_and_stays_wanted(world: World) -> None:
    before = await applied(world, "v1")
    assert before.status.phase is ServingPhase.READY
    world.allow_commands = False
    document = await converged(world)
    assert running(world) == set()
    assert document.status.phase is ServingPhase.FAILED
    assert document.status.problem is not None
    assert document.status.problem.code == "commands_not_allowed"
    assert (document.spec, document.generation) == (before.spec, before.generation)


async def test_a_refused_command_is_announced_once(world: World) -> None:
    await applied(world, "v1")
    world.allow_commands = False
    first = await converged(world)
    assert await converged(world) == first
    assert world.announced().count("ServingFailed") == 1


async def test_the_other_variants_continue_to_serve(world: World) -> None:
    await applied(world, "v1", OTHER)
    world.allow_commands = False
    document = await converged(world)
    assert running(world) == {OTHER}
    assert document.status.phase is ServingPhase.FAILED
    assert [state.ready for state in world.workloads.states()] == [1]


async def test_a_command_runs_again_once_it_is_allowed_again(world: World) -> None:
    await applied(world, "v1")
    world.allow_commands = False
    await converged(world)
    world.allow_commands = True
    document = await converged(world)
    assert (document.status.phase, document.status.problem) == (ServingPhase.READY, None)
    assert running(world) == {"v1"}


async def test_a_refused_new_version_leaves_no_old_command_behind(world: World) -> None:
    await applied(world, "v1")
    world.allow_commands = False
    document = await applied(world, OTHER, own=OTHER)
    assert document.status.phase is ServingPhase.FAILED
    assert running(world) == set()


async def test_runtimes_of_the_platform_need_no_permission(world: World) -> None:
    world.allow_commands = False
    await world.push("v1")
    await world.request(spec("v1"))
    assert (await converged(world)).status.phase is ServingPhase.READY
    assert running(world) == {"v1"}
