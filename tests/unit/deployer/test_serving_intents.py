"""The record of requests: new generations, late requests, and deletions."""

import itertools
from collections.abc import Awaitable, Callable

import pytest

from klever_deployer.service.records import SupersededError
from kleverproto.documents import Intent
from kleverproto.rollouts import RolloutAction, RolloutStatus
from kleverproto.servings import ServingDeleted, ServingPhase, ServingProgressed
from support.deployer import IRIS, DiedError, World, spec
from support.golden_events import NOW

Handle = Callable[[World], Awaitable[None]]


def intent(sequence: int) -> Intent:
    return Intent(sequence=sequence, event_id=f"event-{sequence}", correlation_id="correlation")


@pytest.fixture
def world() -> World:
    return World()


async def test_a_first_request_is_generation_one_and_pending(world: World) -> None:
    await world.request(spec("v1"), intent=intent(5))
    document = await world.document()
    assert (document.generation, document.status.phase, document.status.intent) == (1, ServingPhase.PENDING, intent(5))


async def test_a_changed_spec_is_a_new_generation_and_the_same_spec_is_not(world: World) -> None:
    await world.request(spec("v1"), intent=intent(5))
    await world.request(spec("v2"), intent=intent(6))
    assert (await world.document()).generation == 2
    await world.request(spec("v2"), intent=intent(7))
    document = await world.document()
    assert (document.generation, document.status.intent) == (2, intent(7))


@pytest.mark.parametrize("sequence", [5, 4])
async def test_a_late_or_repeated_request_changes_nothing(world: World, sequence: int) -> None:
    await world.request(spec("v1"), intent=intent(5))
    before = await world.document()
    await world.request(spec("v2"), intent=intent(sequence))
    await world.request_deletion(intent=intent(sequence))
    assert await world.document() == before


async def test_a_promised_generation_is_reached(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    await world.request(spec("v2"), intent=intent(2), generation=7)
    assert (await world.document()).generation == 7
    await world.request(spec("v3"), intent=intent(3), generation=2)
    assert (await world.document()).generation == 8


async def _deployed(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))


async def _deleted(world: World) -> None:
    await world.request_deletion(intent=intent(2))


async def _replaced(world: World) -> None:
    await world.request(spec("v2"), intent=intent(2))


async def _steered(world: World) -> None:
    await world.intents.steer(IRIS, 1, RolloutAction.ABORT, intent(3))


ORDERS = list(itertools.permutations([_deployed, _deleted, _steered]))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "".join(each.__name__ for each in order))
async def test_an_undeployed_serving_stays_undeployed_in_any_order_of_requests(
    world: World, order: tuple[Handle, ...]
) -> None:
    await world.push("v1")
    for handle in (*order, *order):  # each is redelivered
        await handle(world)
        await world.rollout().converge(IRIS)
    assert await world.records.read(IRIS) is None
    assert (await world.tombstone()).intent == intent(2)
    assert (world.running(), world.data_plane.routes) == ([], {})
    deletions = [event for event in world.publisher.events if isinstance(event.data, ServingDeleted)]
    assert [event.causation_id for event in deletions] == ["event-2"]


async def _request_again(world: World) -> None:
    await world.request(spec("v2"), intent=intent(4))


@pytest.mark.parametrize(
    "order", list(itertools.permutations([_deployed, _deleted, _request_again])), ids=lambda order: order[0].__name__
)
async def test_the_last_request_counts_in_any_order_of_handling(world: World, order: tuple[Handle, ...]) -> None:
    await world.push("v1", "v2")
    for handle in (*order, *order):
        await handle(world)
        await world.rollout().converge(IRIS)
    document = await world.document()
    assert (document.status.phase, document.status.intent) == (ServingPhase.READY, intent(4))
    assert world.running() == ["v2"]


@pytest.mark.parametrize("handle", [_deleted, _replaced], ids=["deleted", "replaced"])
async def test_a_request_from_before_a_rollout_command_that_is_handled_after_it_counts(
    world: World, handle: Handle
) -> None:
    await _deployed(world)
    rollout = RolloutStatus(generation=1, strategy="rolling", since=NOW)
    await world.records.update(await world.document(), rollout=rollout)
    await _steered(world)
    await _steered(world)
    document = await world.document()
    assert document.status.rollout is not None
    assert document.status.rollout.action is RolloutAction.ABORT
    await handle(world)
    document = await world.document()
    assert (document.status.phase is ServingPhase.DELETING) == (handle is _deleted)
    assert document.generation == (1 if handle is _deleted else 2)


async def test_a_deleted_serving_is_created_again_with_a_new_generation(world: World) -> None:
    await world.push("v1")
    await world.request(spec("v1"), intent=intent(5))
    await world.rollout().converge(IRIS)
    await world.request_deletion(intent=intent(7))
    await world.rollout().converge(IRIS)
    await world.request(spec("v1"), intent=intent(6))
    assert await world.records.read(IRIS) is None
    await world.request(spec("v1"), intent=intent(8))
    document = await world.document()
    assert (document.generation, document.status.phase) == (2, ServingPhase.PENDING)
    assert (document.status.applied, document.status.revisions) == (None, ())


async def test_a_deletion_left_unpublished_by_a_crash_is_published_before_a_new_creation(
    world: World,
) -> None:
    await world.push("v1")
    await world.request(spec("v1"), intent=intent(1))
    await world.rollout().converge(IRIS)
    await world.request_deletion(intent=intent(2))
    world.steps.left = len(world.steps.taken) + 3  # unroute, stop, bury
    with pytest.raises(DiedError):
        await world.rollout().converge(IRIS)
    world.steps.left = None
    assert "ServingDeleted" not in world.announced()
    await world.request(spec("v1"), intent=intent(3))
    assert world.announced().count("ServingDeleted") == 1
    assert (await world.document()).generation == 2


async def test_a_step_for_a_replaced_intent_is_refused(world: World) -> None:
    await world.request(spec("v1"), intent=intent(5))
    read = await world.document()
    await world.request(spec("v2"), intent=intent(6))
    with pytest.raises(SupersededError):
        await world.records.update(read, step="models are prepared")
    assert (await world.document()).status.step == ""


async def test_a_repeated_step_is_the_same_event_and_names_its_cause(world: World) -> None:
    await world.request(spec("v1"), intent=intent(5))
    document = await world.document()
    data = ServingProgressed(namespace="default", name="iris", generation=1, step="loaded")
    for step in ("a", "a", "b"):
        await world.records.publish(document, data, step)
    first, second = world.publisher.events
    assert first.id != second.id
    assert (first.causation_id, first.correlation_id) == ("event-5", "correlation")
