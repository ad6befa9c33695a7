"""A bucket that was lost, recreated or restored from a backup: servings are restored and serve meanwhile."""

import copy
from datetime import timedelta

import pytest

from klever_deployer.domain.intents import Known
from klever_deployer.service.records import key_of
from kleverkit.errors import TransientError
from kleverproto.documents import Intent, Tombstone
from kleverproto.servings import ServingDeleted, ServingDocument, ServingPhase
from kleverroutes.versions import ServingName
from support.deployer import IRIS, World, spec
from support.golden_events import NOW
from support.waiting import eventually

ABALONE = ServingName("default", "abalone")


async def ready_world() -> World:
    """A world in which iris serves v1 at generation 1, and a deployer has observed it."""
    world = World()
    await world.push("v1", "v2", "v3")
    await deploy(world, "v1")
    await world.restorer().check()
    world.steps.taken.clear()
    return world


async def deploy(world: World, version: str, serving: ServingName = IRIS) -> None:
    await world.request(spec(version), serving)
    await world.rollout().converge(serving)


async def undeploy(world: World, serving: ServingName) -> None:
    await world.request_deletion(serving)
    await world.rollout().converge(serving)


def lose_stream(world: World) -> None:
    world.stream_created += timedelta(seconds=1)
    world.sequence = 0


def stopped(world: World) -> list[str]:
    return [step for step in world.steps.taken if step.startswith(("stop", "unroute", "start"))]


async def test_a_bucket_lost_while_the_deployer_runs_is_restored() -> None:
    world = await ready_world()
    before = await world.document()
    async with world.deployer(resync_seconds=0.01):
        world.documents.lose()

        async def is_back() -> bool:
            return (await world.document()).status == before.status

        assert await eventually(is_back)
    assert stopped(world) == []


@pytest.mark.parametrize("with_stream", [True, False], ids=["stream too", "bucket only"])
async def test_a_bucket_lost_while_the_deployer_was_down_is_restored(*, with_stream: bool) -> None:
    world = await ready_world()
    before = await world.document()
    world.documents.lose()
    if with_stream:
        lose_stream(world)
    world.restart()
    async with world.deployer():
        await world.settled(ServingPhase.READY)
    after = await world.document()
    assert (after.spec, after.generation, after.status.applied) == (before.spec, 1, before.status.applied)
    assert stopped(world) == []


async def test_a_document_that_is_missing_without_a_tombstone_is_restored_and_counted() -> None:
    world = await ready_world()
    world.documents.drop(key_of(IRIS))
    restorer = world.restorer()
    servings = await restorer.servings()
    assert [document.name for document in servings.documents] == ["iris"]
    assert restorer.restored == 1
    await restorer.servings()
    assert restorer.restored == 1


async def test_a_request_for_a_lost_serving_continues_from_its_copy() -> None:
    world = await ready_world()
    world.documents.lose()
    lose_stream(world)
    await world.restorer().check()  # every handler starts with this
    await world.request(spec("v2"))
    document = await world.document()
    assert (document.generation, document.spec.variants[0].name) == (2, "v2")
    assert document.status.applied is not None


async def test_a_request_for_a_just_lost_serving_does_not_start_from_nothing() -> None:
    world = await ready_world()
    world.documents.drop(key_of(IRIS))
    await world.request(spec("v2"))
    document = await world.document()
    assert (document.generation, document.status.applied is None) == (2, False)


async def test_no_request_of_a_recreated_stream_is_late() -> None:
    world = await ready_world()
    await deploy(world, "v1", ABALONE)
    await undeploy(world, ABALONE)
    lose_stream(world)
    await world.restorer().check()
    await world.request(spec("v2"))
    assert (await world.document()).generation == 2
    await world.request(spec("v2"), ABALONE)
    assert (await world.document(ABALONE)).status.phase is ServingPhase.PENDING


async def test_no_request_for_a_serving_without_tombstone_is_late_in_a_recreated_stream() -> None:
    world = await ready_world()
    await forget(world)
    lose_stream(world)
    await world.restorer().check()
    await world.request(spec("v1"))
    assert (await world.document()).generation == 2


async def forget(world: World) -> None:
    """Undeploy iris and remove the tombstone."""
    await undeploy(world, IRIS)
    world.now = NOW + timedelta(hours=2)
    async with world.deployer():

        async def is_forgotten() -> bool:
            return await world.documents.find(key_of(IRIS)) is None

        assert await eventually(is_forgotten)


async def test_a_request_from_before_a_deletion_is_late_while_the_stream_may_hold_it() -> None:
    world = await ready_world()
    await forget(world)
    world.restart()
    await world.restorer().check()
    early = Intent(sequence=1, event_id="event-1", correlation_id="correlation")
    await world.request(spec("v1"), intent=early)  # a recreated consumer delivers it again
    assert await world.records.read(IRIS) is None


@pytest.mark.parametrize("with_stream", [True, False], ids=["stream too", "bucket only"])
async def test_an_unannounced_deletion_survives_the_loss_of_its_bucket(*, with_stream: bool) -> None:
    world = await ready_world()
    await bury_unannounced(world)
    world.documents.lose()
    if with_stream:
        lose_stream(world)
    world.restart()
    await world.restorer().check()
    await world.request(spec("v2"))
    assert (await world.document()).generation == 2
    assert [type(data) for data in world.publisher.data()].count(ServingDeleted) == 1


async def test_an_unannounced_deletion_is_restored_if_only_its_tombstone_is_missing() -> None:
    world = await ready_world()
    await bury_unannounced(world)
    world.documents.drop(key_of(IRIS))
    servings = await world.restorer().servings()
    assert [each.tombstone.announced for each in servings.buried] == [False]


async def bury_unannounced(world: World) -> None:
    """Delete iris like a process that was killed before it could announce the deletion."""

    def bury(present: Known) -> Tombstone[ServingDocument]:
        assert isinstance(present, ServingDocument)
        return Tombstone[ServingDocument](document=present, intent=present.status.intent, deleted_at=NOW)

    await world.records.change(IRIS, bury)


async def test_an_older_bucket_is_updated() -> None:
    world = await ready_world()
    await deploy(world, "v1", ABALONE)
    backup = copy.deepcopy(world.documents.content())
    await world.restorer().check(remember=True)
    await deploy(world, "v2")
    await undeploy(world, ABALONE)
    await world.restorer().check(remember=True)
    world.documents.restore(backup)
    world.restart()
    world.steps.taken.clear()
    async with world.deployer():
        await world.tombstone(ABALONE)
        await world.settled(ServingPhase.READY)
    document = await world.document()
    assert (document.generation, world.running(), world.weights()) == (2, ["v2"], {"v2": 100})
    assert stopped(world) == []


async def test_readiness_reports_the_restoration_until_it_is_complete() -> None:
    world = await ready_world()
    restorer = world.restorer()
    assert await restorer.problem() == "the servings have not been read yet"
    world.documents.lose()
    world.documents.unreachable = True
    with pytest.raises(TransientError):
        await restorer.check()
    problem = await restorer.problem()
    assert problem is not None
    assert problem.startswith("restoring servings: 1 are missing")
    world.documents.unreachable = False
    await restorer.check()
    assert await restorer.problem() is None


async def test_a_full_disk_delays_copies_and_no_request() -> None:
    world = await ready_world()
    world.copies.full = True
    await deploy(world, "v2")
    assert (await world.document()).status.phase is ServingPhase.READY
    problem = await world.records.copies.check()
    assert problem is not None
    assert "No space left on device" in problem
    assert _generation(world) == 1
    world.copies.full = False
    await world.restorer().servings()
    await world.records.copies.retry()
    assert await world.records.copies.check() is None
    assert _generation(world) == 2


def _generation(world: World) -> int:
    kept = world.copies.copies[IRIS]
    assert isinstance(kept, ServingDocument)
    return kept.generation


async def test_a_copy_is_removed_once_its_deletion_is_older_than_any_request_in_the_stream() -> None:
    world = await ready_world()
    await forget(world)
    assert IRIS in world.copies.copies
    world.now = NOW + timedelta(days=91)
    async with world.deployer():

        async def is_gone() -> bool:
            return IRIS not in world.copies.copies

        assert await eventually(is_gone)
