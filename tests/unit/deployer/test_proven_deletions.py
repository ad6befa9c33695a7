"""Absence is not deletion: only replicas, routes and models that are proven unwanted are removed."""

import asyncio

from klever_deployer.adapters.local.shelf import Shelf
from klever_deployer.domain.versions import VersionState
from klever_deployer.service.records import key_of
from kleverkit.documents import NEVER
from kleverproto.documents import Tombstone
from kleverproto.servings import ServingDocument, ServingPhase
from kleverroutes.routing import ServingRoute
from kleverroutes.versions import ServingName, VersionKey
from support.deployer import IRIS, InMemoryModels, World, digest, spec
from support.golden_events import NOW
from support.waiting import eventually, others

ABALONE = ServingName("default", "abalone")
STRAY = VersionKey(ABALONE, "v1", "cafe")


async def ready_world() -> World:
    world = World()
    await world.push("v1", "v2")
    await world.request(spec("v1"))
    await world.rollout().converge(IRIS)
    return world


async def with_stray() -> World:
    world = await ready_world()
    world.workloads.become(VersionState(STRAY))
    await world.data_plane.apply(ServingRoute(ABALONE, (), ()))
    return world


async def test_a_serving_with_a_tombstone_is_stopped_and_unrouted() -> None:
    world = await with_stray()
    await world.documents.bury(key_of(ABALONE), Tombstone[ServingDocument](deleted_at=NOW, announced=True), NEVER)
    async with world.deployer():

        async def only_iris_is_left() -> bool:
            running = {state.key.serving for state in world.workloads.states()}
            return running == {IRIS} and world.data_plane.served() == {IRIS}

        assert await eventually(only_iris_is_left)


async def test_an_unexplained_version_is_left_alone_with_its_models_and_reported() -> None:
    world = await with_stray()
    world.store.here.add(digest("v2"))
    async with world.deployer(resync_seconds=0.01) as reconciler:

        async def is_reported() -> bool:
            return reconciler.unexplained == {ABALONE}

        assert await eventually(is_reported)
        looks = len(world.documents.listings)
        assert await eventually(lambda: _has_looked(world, looks + 3))
    assert STRAY in {state.key for state in world.workloads.states()}
    assert world.data_plane.served() == {IRIS, ABALONE}
    assert world.store.here == {digest("v1"), digest("v2")}


async def _has_looked(world: World, looks: int) -> bool:
    return len(world.documents.listings) >= looks


async def test_an_empty_bucket_stops_nothing_and_removes_nothing() -> None:
    world = await ready_world()
    taken = len(world.steps.taken)
    world.documents.listed = lambda _documents: []
    async with world.deployer(resync_seconds=0.01):
        assert await eventually(lambda: _has_looked(world, 3))
    assert [step for step in world.steps.taken[taken:] if step.startswith(("stop", "unroute"))] == []
    assert (world.running(), world.data_plane.served(), world.store.here) == (["v1"], {IRIS}, {digest("v1")})


async def test_a_serving_requested_after_the_listing_is_left_alone() -> None:
    world = await ready_world()
    world.store.here.add(digest("v2"))
    listed, later = asyncio.Event(), asyncio.Event()
    world.documents.hold = (listed, later)
    async with world.deployer() as reconciler:
        await listed.wait()
        await world.request(spec("v2"), ABALONE)
        reconciler.intend(ABALONE)
        await world.settled(ServingPhase.READY, serving=ABALONE)
        later.set()
        await eventually(lambda: _has_looked(world, 1))
        await world.settled(ServingPhase.READY)
    assert (world.running(), world.data_plane.served()) == (["v1", "v2"], {IRIS, ABALONE})
    assert digest("v2") in world.store.here


class SlowRemoval(InMemoryModels):
    def __init__(self) -> None:
        super().__init__()
        self.removing, self.resume = asyncio.Event(), asyncio.Event()

    async def remove(self, digest: str) -> None:
        self.removing.set()
        await self.resume.wait()
        await super().remove(digest)


async def test_a_model_requested_during_its_removal_is_not_found_half_removed() -> None:
    store = SlowRemoval()
    store.here.add("sha256:a")
    shelf = Shelf(store)
    clearing = asyncio.create_task(shelf.retain(()))
    await store.removing.wait()
    asked = asyncio.create_task(shelf.find("sha256:a"))
    await others()
    assert not asked.done()
    store.resume.set()
    assert await asked is None
    await clearing


async def test_a_model_requested_since_the_previous_cleanup_is_kept() -> None:
    store = InMemoryModels()
    store.here |= {"sha256:a", "sha256:b"}
    shelf = Shelf(store)
    await shelf.find("sha256:a")
    await shelf.retain(())
    assert store.here == {"sha256:a"}
    await shelf.retain(())
    assert store.here == set()
