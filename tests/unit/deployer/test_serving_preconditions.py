"""Requests with an expected generation: exactly one of several is accepted, and each decision is published once."""

import asyncio
import itertools

import pytest

from kleverproto.documents import Intent
from kleverproto.preconditions import ServingRequestDecided
from kleverproto.rollouts import RolloutAction, RolloutPhase, RolloutStatus
from kleverproto.servings import ServingPhase
from kleverproto.variants import Gpu, Resources
from support.deployer import IRIS, DiedError, World, spec, variant
from support.golden_events import NOW


def intent(sequence: int) -> Intent:
    return Intent(sequence=sequence, event_id=f"event-{sequence}", correlation_id="correlation")


@pytest.fixture
def world() -> World:
    return World()


def decisions(world: World) -> dict[str, str]:
    """Request to `accepted`, or to the code of its problem."""
    decided = [event for event in world.publisher.events if isinstance(event.data, ServingRequestDecided)]
    return {str(event.causation_id): event.data.problem.code if event.data.problem else "accepted" for event in decided}


async def test_a_request_without_an_expected_generation_is_not_decided(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    assert decisions(world) == {}


async def test_only_one_of_two_requests_with_the_same_expected_generation_is_accepted(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    await asyncio.gather(
        world.request(spec("v2"), intent=intent(2), expected=1),
        world.request(spec("v3"), intent=intent(3), expected=1),
    )
    assert decisions(world) == {"event-2": "accepted", "event-3": "generation_mismatch"}
    document = await world.document()
    assert (document.generation, document.spec.variants[0].name) == (2, "v2")


async def test_a_rejection_names_both_generations_and_changes_nothing(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1), generation=4)
    before = await world.document()
    await world.request(spec("v2"), intent=intent(2), expected=3)
    assert await world.document() == before
    (event,) = world.publisher.events
    assert event.data.generation == 4
    assert "is at generation 4, not 3: read it again" in event.data.problem.message


@pytest.mark.parametrize("order", list(itertools.permutations([2, 3])))
async def test_only_one_of_two_requests_is_accepted_in_any_order_of_handling(
    world: World, order: tuple[int, ...]
) -> None:
    await world.request(spec("v1"), intent=intent(1))
    for sequence in order:
        await world.request(spec(f"v{sequence}"), intent=intent(sequence), expected=1)
    assert sorted(decisions(world).values()) == ["accepted", "generation_mismatch"]
    assert (await world.document()).generation == 2


async def test_an_overtaken_request_is_rejected_though_the_generation_is_the_same(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    await world.request(spec("v1"), intent=intent(3))
    await world.request(spec("v2"), intent=intent(2), expected=1)
    assert decisions(world) == {"event-2": "generation_mismatch"}


async def test_a_serving_is_created_once(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1), expected=0)
    await world.request(spec("v2"), intent=intent(2), expected=0)
    assert decisions(world) == {"event-1": "accepted", "event-2": "already_exists"}
    assert (await world.document()).spec.variants[0].name == "v1"


async def test_a_deleted_serving_does_not_exist(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    async with world.deployer() as reconciler:
        await world.request_deletion(intent=intent(2))
        reconciler.intend(IRIS)
        await world.tombstone()
    await world.request(spec("v2"), intent=intent(3), expected=1)
    await world.request(spec("v2"), intent=intent(4), expected=0)
    assert decisions(world) == {"event-3": "generation_mismatch", "event-4": "accepted"}


async def test_a_deletion_expects_a_generation_too(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    await world.request(spec("v2"), intent=intent(2))
    await world.request_deletion(intent=intent(3), expected=1)
    assert (await world.document()).status.phase is ServingPhase.PENDING
    await world.request_deletion(intent=intent(4), expected=2)
    assert (await world.document()).status.phase is ServingPhase.DELETING
    assert decisions(world) == {"event-3": "generation_mismatch", "event-4": "accepted"}


async def test_a_decision_left_unpublished_by_a_crash_is_published_on_redelivery(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    world.steps.left = len(world.steps.taken) + 1  # the record, but not its decision
    with pytest.raises(DiedError):
        await world.request(spec("v2"), intent=intent(2), expected=1)
    assert decisions(world) == {}
    world.steps.left = None
    await world.request(spec("v2"), intent=intent(2), expected=1)
    assert decisions(world) == {"event-2": "accepted"}
    assert (await world.document()).generation == 2


async def test_a_redelivered_request_keeps_its_first_decision(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    await world.request(spec("v2"), intent=intent(2), expected=1)
    await world.request(spec("v3"), intent=intent(3))
    await world.request(spec("v2"), intent=intent(2), expected=1)
    assert decisions(world) == {"event-2": "accepted"}
    assert (await world.document()).generation == 3


async def test_a_rollout_command_is_accepted_only_while_the_rollout_is_in_progress(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    await world.intents.steer(IRIS, 1, RolloutAction.PAUSE, intent(2))
    in_progress = RolloutStatus(generation=1, strategy="canary", phase=RolloutPhase.PROGRESSING, since=NOW)
    await world.records.update(await world.document(), rollout=in_progress)
    await world.intents.steer(IRIS, 1, RolloutAction.PAUSE, intent(3))
    await world.intents.steer(IRIS, 1, RolloutAction.PAUSE, intent(3))
    await world.intents.steer(IRIS, 7, RolloutAction.ABORT, intent(4))
    assert decisions(world) == {"event-2": "no_rollout", "event-3": "accepted", "event-4": "no_rollout"}


async def test_a_spec_that_cannot_run_is_rejected_with_the_reason_and_not_recorded(world: World) -> None:
    on_gpu = variant("v1", resources=Resources(gpu=Gpu()))
    await world.request(spec("v1").model_copy(update={"variants": (on_gpu,)}), intent=intent(1), expected=0)
    (event,) = world.publisher.events
    assert event.data.problem.code == "unsupported_here"
    assert "GPU" in event.data.problem.message
    assert event.data.generation == 0
    assert await world.documents.get("default.iris") is None


async def test_a_spec_that_the_data_plane_cannot_route_is_rejected(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1))
    world.data_plane.refused = "no cookies here"
    await world.request(spec("v2"), intent=intent(2), expected=1)
    assert decisions(world) == {"event-2": "refused_by_proxy"}
    assert (await world.document()).spec.variants[0].name == "v1"


async def test_an_accepted_request_stays_accepted_when_it_is_delivered_again(world: World) -> None:
    await world.request(spec("v1"), intent=intent(1), expected=0)
    world.data_plane.refused = "no cookies here"
    await world.request(spec("v1"), intent=intent(1), expected=0)
    assert decisions(world) == {"event-1": "accepted"}


async def test_a_spec_without_a_precondition_fails_before_anything_is_prepared(world: World) -> None:
    await world.push("v1")
    world.data_plane.refused = "no cookies here"
    await world.request(spec("v1"), intent=intent(1))
    async with world.deployer() as reconciler:
        reconciler.intend(IRIS)
        document = await world.settled(ServingPhase.FAILED)
    assert document.status.problem is not None
    assert (document.status.problem.code, document.status.problem.message) == ("refused_by_proxy", "no cookies here")
    assert not [step for step in world.steps.taken if step.startswith(("start", "pull", "route"))]
