"""The fields of a status are changed by name: mypy refuses unknown names, which would be ignored."""

import pytest

from klever_deployer.domain.intents import with_status
from kleverproto.servings import ServingDocument, ServingPhase, ServingStatus
from support.deployer import World, spec
from support.golden_events import NOW


@pytest.fixture
async def world() -> World:
    world = World()
    await world.request(spec("v1"))
    return world


async def test_a_transition_changes_the_fields_that_it_names(world: World) -> None:
    document = await world.records.update(await world.document(), phase=ServingPhase.FAILED)
    assert document.status == ServingStatus(phase=ServingPhase.FAILED, intent=document.status.intent)


def misspelt(document: ServingDocument) -> ServingDocument:
    """Not called: with `warn_unused_ignores`, mypy fails if one of these becomes possible."""
    with_status(document, NOW, phsae=ServingPhase.READY)  # type: ignore[call-arg]
    with_status(document, NOW, phase="Ready")  # type: ignore[arg-type]
    return document.replace(staus=document.status)  # type: ignore[call-arg]


async def misspelt_in_records(world: World, document: ServingDocument) -> None:
    """Likewise."""
    await world.records.update(document, phsae=ServingPhase.READY)  # type: ignore[call-arg]
    await world.records.settle(document, probelm=None)  # type: ignore[call-arg]
