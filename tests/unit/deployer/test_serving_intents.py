"""Requests recorded: what makes a new generation, and which ones are late."""

from datetime import timedelta

import pytest

from klever_deployer.service.records import SupersededError
from kleverproto.documents import Intent
from kleverproto.servings import ServingPhase, ServingRequested
from support.deployer import IRIS, World, spec
from support.golden_events import NOW


def intent(sequence: int) -> Intent:
    return Intent(sequence=sequence, event_id=f"event-{sequence}", correlation_id="correlation")


@pytest.fixture
def world() -> World:
    return World()


async def test_a_first_request_is_generation_one_and_pending(world: World) -> None:
    await world.records.request(IRIS, spec("v1"), intent(5))
    document = await world.document()
    assert (document.generation, document.status.phase, document.status.intent) == (1, ServingPhase.PENDING, intent(5))


async def test_another_spec_is_another_generation_and_the_same_spec_is_not(world: World) -> None:
    await world.records.request(IRIS, spec("v1"), intent(5))
    await world.records.request(IRIS, spec("v2"), intent(6))
    assert (await world.document()).generation == 2
    await world.records.request(IRIS, spec("v2"), intent(7))
    document = await world.document()
    assert (document.generation, document.status.intent) == (2, intent(7))


@pytest.mark.parametrize("sequence", [5, 4])
async def test_a_request_that_comes_late_or_twice_changes_nothing(world: World, sequence: int) -> None:
    await world.records.request(IRIS, spec("v1"), intent(5))
    before = await world.document()
    await world.records.request(IRIS, spec("v2"), intent(sequence))
    await world.records.request_deletion(IRIS, intent(sequence))
    assert await world.document() == before


async def test_a_late_request_does_not_bring_a_deleted_serving_back_and_a_new_one_does(world: World) -> None:
    await world.records.request(IRIS, spec("v1"), intent(5))
    await world.records.request_deletion(IRIS, intent(7))
    await world.records.update(await world.document(), phase=ServingPhase.DELETED)
    await world.records.request(IRIS, spec("v2"), intent(6))
    assert (await world.document()).status.phase is ServingPhase.DELETED
    await world.records.request(IRIS, spec("v1"), intent(8))
    document = await world.document()
    assert (document.generation, document.status.phase) == (2, ServingPhase.PENDING)


async def test_deleting_what_is_not_there_records_nothing(world: World) -> None:
    await world.records.request_deletion(IRIS, intent(1))
    assert await world.records.all() == []


async def test_a_step_for_an_intent_that_was_replaced_is_refused(world: World) -> None:
    await world.records.request(IRIS, spec("v1"), intent(5))
    read = await world.document()
    await world.records.request(IRIS, spec("v2"), intent(6))
    with pytest.raises(SupersededError):
        await world.records.update(read, step="models are here")
    assert (await world.document()).status.step == ""


async def test_tombstones_are_purged_when_they_are_old_and_nothing_else_is(world: World) -> None:
    await world.records.request(IRIS, spec("v1"), intent(5))
    await world.records.purge(NOW + timedelta(days=1))
    await world.records.update(await world.document(), phase=ServingPhase.DELETED)
    await world.records.purge(NOW)
    assert len(await world.records.all()) == 1
    await world.records.purge(NOW + timedelta(seconds=1))
    assert await world.records.all() == []


async def test_the_same_step_is_the_same_event_and_names_its_cause(world: World) -> None:
    await world.records.request(IRIS, spec("v1"), intent(5))
    document = await world.document()
    data = ServingRequested(namespace="default", name="iris", spec=spec("v1"))
    for step in ("a", "a", "b"):
        await world.records.tell(document, data, step)
    first, second = world.publisher.events
    assert first.id != second.id
    assert (first.causation_id, first.correlation_id) == ("event-5", "correlation")
