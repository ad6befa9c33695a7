"""Servings that follow pushes to their tags, and servings that do not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from klever_deployer.adapters.catalogue import DocumentCatalogue
from klever_deployer.service.followers import Followers
from klever_deployer.service.records import key_of
from klever_deployer.service.updater import Updater
from kleverkit.documents import Documents
from kleverkit.memory_documents import InMemoryDocuments
from kleverkit.tasks import cancel
from kleverproto.envelope import Event
from kleverproto.models import ModelDocument
from kleverproto.push_policies import OnPush, ServingPolicy
from kleverproto.references import ModelRef
from kleverproto.scans import Finding, Scan
from kleverproto.serving_specs import ServingSpec
from kleverproto.servings import ServingPhase, ServingReady
from kleverroutes.versions import ServingName
from support.deployer import IRIS, World, digest, spec
from support.golden_events import NOW
from support.waiting import eventually

DANGEROUS = Scan(
    verdict="dangerous",
    findings=(Finding(file="model.pkl", what="os.system", severity="dangerous", reason="runs commands"),),
    scanner="klever",
    scanner_version="1",
)


def following(*versions: str, **changes: Any) -> ServingSpec:
    return spec(*versions, **changes).model_copy(update={"policy": ServingPolicy(on_push=OnPush.DEPLOY)})


@pytest.fixture
async def world() -> World:
    world = World()
    await world.push("v1", "v2")
    return world


async def served(world: World, wanted: ServingSpec) -> None:
    await world.request(wanted)
    await world.rollout().converge(IRIS)
    assert (await world.document()).status.phase is ServingPhase.READY


@asynccontextmanager
async def watched(world: World) -> AsyncIterator[Followers]:
    """The followers of tags, from a watch of the bucket."""
    followers = Followers(world.documents, world.records.copies)
    watch = asyncio.create_task(followers.run())
    try:
        yield followers
    finally:
        await cancel([watch])


async def deliver(world: World, event: Event[Any]) -> list[ServingName]:
    """Handle an event completely. Return the servings that changed."""
    async with watched(world) as followers:
        names = await Updater(DocumentCatalogue(world.catalogue), world.intents, followers).update_followers(event)
    for name in names:
        await world.rollout().converge(name)
    return names


async def digests(world: World) -> list[str | None]:
    applied = (await world.document()).status.applied
    assert applied is not None
    return [variant.digest for variant in applied.variants]


async def test_a_push_to_the_tag_is_served_and_announced_as_part_of_the_push(world: World) -> None:
    await served(world, following("v1"))
    before = len(world.publisher.events)
    event = await world.move_tag("v1", digest("new"))
    assert await deliver(world, event) == [IRIS]
    document = await world.document()
    assert (document.generation, document.status.phase) == (2, ServingPhase.READY)
    assert await digests(world) == [digest("new")]
    assert {each.correlation_id for each in world.publisher.events[before:]} == {"story of a push"}
    assert {each.causation_id for each in world.publisher.events[before:]} == {event.id}


async def test_only_the_variant_of_the_tag_changes(world: World) -> None:
    await served(world, following("v1", "v2", weights=(60, 40)))
    await deliver(world, await world.move_tag("v2", digest("new")))
    assert await digests(world) == [digest("v1"), digest("new")]
    assert sum(world.weights().values()) == 100


async def test_a_serving_without_the_policy_keeps_its_resolved_version(world: World) -> None:
    await served(world, spec("v1"))
    assert await deliver(world, await world.move_tag("v1", digest("new"))) == []
    assert (await world.document()).generation == 1


async def test_a_version_that_is_not_scanned_yet_waits_for_its_scan(world: World) -> None:
    await served(world, following("v1"))
    assert await deliver(world, await world.move_tag("v1", digest("new"), scan=None)) == []
    assert await digests(world) == [digest("v1")]
    assert await deliver(world, await world.move_tag("v1", digest("new"))) == [IRIS]
    assert await digests(world) == [digest("new")]


async def test_a_superseded_push_is_not_served(world: World) -> None:
    await served(world, following("v1"))
    late = await world.move_tag("v1", digest("second"))
    await deliver(world, await world.move_tag("v1", digest("third")))
    assert await deliver(world, late) == []
    assert await digests(world) == [digest("third")]


async def test_an_older_push_that_is_handled_last_is_not_served(world: World) -> None:
    await served(world, following("v1"))
    catalogue = HeldUp(world.catalogue)
    older = await world.move_tag("v1", digest("second"))
    async with watched(world) as followers:
        handling = asyncio.create_task(Updater(catalogue, world.intents, followers).update_followers(older))
        await catalogue.read.wait()
        await deliver(world, await world.move_tag("v1", digest("third")))
        catalogue.later.set()
        assert await handling == []
    assert await digests(world) == [digest("third")]
    assert (await world.document()).generation == 2


class HeldUp(DocumentCatalogue):
    """Answers late, with an outdated state."""

    def __init__(self, documents: Documents[ModelDocument]) -> None:
        super().__init__(documents)
        self.read, self.later = asyncio.Event(), asyncio.Event()

    async def find(self, ref: ModelRef) -> ModelDocument | None:
        model = await super().find(ref)
        self.read.set()
        await self.later.wait()
        return model


async def test_a_tag_deleted_and_pushed_again_restarts_its_generations(world: World) -> None:
    await served(world, following("v1"))
    for number in range(3):
        await deliver(world, await world.move_tag("v1", digest(f"b{number}")))
    event = await world.move_tag("v1", digest("again"))
    await world.recreate("v1", digest("again"), created_at=NOW + timedelta(hours=1))
    assert await deliver(world, event) == [IRIS]
    assert await digests(world) == [digest("again")]


async def test_two_servings_that_follow_one_push_have_their_own_events(world: World) -> None:
    other = ServingName("prod", "iris")
    for serving in (IRIS, other):
        await world.request(following("v1"), serving)
        await world.rollout().converge(serving)
    event = await world.move_tag("v1", digest("new"))
    assert await deliver(world, event) == [IRIS, other]
    caused = [each.data for each in world.publisher.events if each.causation_id == event.id]
    ready = [data.namespace for data in caused if isinstance(data, ServingReady)]
    assert ready == ["default", "prod"]


async def test_a_dangerous_version_is_refused_and_the_old_one_still_serves(world: World) -> None:
    await served(world, following("v1"))
    await deliver(world, await world.move_tag("v1", digest("new"), scan=DANGEROUS))
    status = (await world.document()).status
    assert status.phase is ServingPhase.FAILED
    assert status.problem is not None
    assert (status.problem.code, "os.system" in status.problem.message) == ("unsafe_model", True)
    assert await digests(world) == [digest("v1")]


async def test_a_rolled_back_version_does_not_return_but_the_next_push_is_served(world: World) -> None:
    await served(world, following("v1"))
    await deliver(world, await world.move_tag("v1", digest("bad")))
    good = following("v1")
    back = good.variants[0].model_copy(update={"digest": digest("v1")})
    await world.allow_unsafe()  # the catalogue of these tests keeps no old verdicts
    await served(world, good.model_copy(update={"variants": (back,)}))
    assert await deliver(world, await world.move_tag("v1", digest("bad"))) == []  # the tag was scanned again
    assert await digests(world) == [digest("v1")]
    await deliver(world, await world.move_tag("v1", digest("better")))
    assert await digests(world) == [digest("better")]


async def test_a_redelivered_event_requests_the_work_again_but_one_generation(world: World) -> None:
    await served(world, following("v1"))
    event = await world.move_tag("v1", digest("new"))
    assert await deliver(world, event) == await deliver(world, event) == [IRIS]
    assert (await world.document()).generation == 2


async def test_a_deleted_serving_stays_deleted(world: World) -> None:
    await served(world, following("v1"))
    await world.request_deletion()
    await world.rollout().converge(IRIS)
    assert await deliver(world, await world.move_tag("v1", digest("new"))) == []
    assert (await world.tombstone()).announced


async def test_a_redelivered_request_from_before_the_push_changes_nothing(world: World) -> None:
    await world.request(following("v1"), intent=(intent := world.next_intent()))
    await world.rollout().converge(IRIS)
    await deliver(world, await world.move_tag("v1", digest("new")))
    await world.request(following("v2"), intent=intent)  # redelivered
    assert await digests(world) == [digest("new")]
    await served(world, following("v2"))
    assert await digests(world) == [digest("v2")]


async def test_an_unverified_version_is_deployed_on_request_but_not_by_the_policy(world: World) -> None:
    await served(world, following("v1"))
    labels = {"klever.dev/unverified": "the check crashed"}
    assert await deliver(world, await world.move_tag("v1", digest("new"), labels=labels)) == []
    assert await digests(world) == [digest("v1")]
    await served(world, following("v1", "v2", weights=(60, 40)))
    assert await digests(world) == [digest("new"), digest("v2")]


async def test_an_event_reads_only_the_documents_of_its_followers(world: World) -> None:
    for number in range(500):
        tag = "v1" if number < 2 else "v2"
        await world.request(following(tag), ServingName("default", f"serving-{number}"))
    async with watched(world) as followers:
        updating = Updater(DocumentCatalogue(world.catalogue), world.intents, followers)
        event = await world.move_tag("v1", digest("new"))
        await followers.find(ModelRef.parse("library/iris:v1"))
        world.documents.reads, world.documents.listings = 0, []
        changed = await updating.update_followers(event)
    assert changed == [ServingName("default", f"serving-{number}") for number in range(2)]
    assert (world.documents.reads, world.documents.listings) == (2, [])


async def test_a_serving_stored_by_another_process_is_followed(world: World) -> None:
    async with watched(world) as followers:
        await served(world, following("v1"))
        world.restart()  # with empty memory
        ref = ModelRef.parse("library/iris:v1")
        elsewhere = Followers(world.documents, world.records.copies)
        watch = asyncio.create_task(elsewhere.run())
        assert await elsewhere.find(ref) == await followers.find(ref) == {IRIS}
        stored = await world.documents.get(key_of(IRIS))
        assert stored is not None
        await world.documents.update(stored.key, stored.document.replace(spec=following("v2")), stored.revision)

        async def follows_another_tag() -> bool:
            return await elsewhere.find(ref) == frozenset()

        assert await eventually(follows_another_tag)
        await cancel([watch])
    assert await elsewhere.find(ModelRef.parse("library/iris:v2")) == {IRIS}


async def test_a_newly_stored_serving_is_followed_before_the_watch_has_seen_it(world: World) -> None:
    followers = Followers(InMemoryDocuments(), world.records.copies)  # their watch sees nothing
    watch = asyncio.create_task(followers.run())
    await served(world, following("v1"))
    assert await followers.find(ModelRef.parse("library/iris:v1")) == {IRIS}
    await cancel([watch])
