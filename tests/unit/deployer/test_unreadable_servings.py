"""An unreadable document of a serving delays no other serving."""

from klever_deployer.service.records import key_of
from kleverproto.servings import ServingPhase
from kleverroutes.versions import ServingName
from support.deployer import IRIS, World, spec
from support.waiting import eventually

ABALONE = ServingName("default", "abalone")


async def ready_world() -> World:
    """A world in which iris and abalone serve v1 and their deployer has exited."""
    world = World()
    await world.push("v1", "v2")
    for serving in (IRIS, ABALONE):
        await world.request(spec("v1"), serving)
        await world.rollout().converge(serving)
    await world.restorer().check()
    world.steps.taken.clear()
    return world


async def test_an_unreadable_serving_with_a_copy_is_restored() -> None:
    world = await ready_world()
    before = await world.document()
    world.documents.spoil(key_of(IRIS))
    world.restart()
    async with world.deployer():
        await world.settled(ServingPhase.READY)
    assert (await world.document()).spec == before.spec
    assert not [step for step in world.steps.taken if step.startswith(("stop", "start", "unroute"))]


async def test_an_unreadable_serving_without_a_copy_is_an_alarm_and_the_others_continue() -> None:
    world = await ready_world()
    world.documents.spoil("default.stranger")
    world.documents.spoil("no name of a serving")
    world.restart()
    async with world.deployer() as deployer:
        await world.request(spec("v2"))
        deployer.intend(IRIS)

        async def serves_v2() -> bool:
            return world.weights() == {"v2": 100}

        assert await eventually(serves_v2)
    restorer = world.restorer()
    await restorer.check()
    problem = await restorer.problem()
    assert problem is not None
    assert "default.stranger, no name of a serving cannot be read" in problem
    assert "nats kv del klever-servings" in problem
