"""If-Match over several gateways: the deployer decides, and its decision reaches the client."""

import asyncio

import pytest

from klever_gateway.domain.preconditions import Conditions
from klever_gateway.errors import AlreadyExistsError, GenerationMismatchError, NotFoundError
from kleverproto.servings import ServingPhase, ServingRequested
from support.gateway import serving_spec
from support.two_gateways import Deployer, OneGateway, gateway_over


def request(replicas: int = 1) -> ServingRequested:
    return ServingRequested(namespace="default", name="iris", spec=serving_spec(replicas=replicas))


Pair = tuple[OneGateway, OneGateway]


async def test_only_one_of_two_changes_through_two_gateways_is_accepted(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.servings.create(request())
    answers = await asyncio.gather(
        first.servings.replace(request(2), Conditions(if_match=1)),
        second.servings.replace(request(3), Conditions(if_match=1)),
        return_exceptions=True,
    )
    assert sorted(type(each).__name__ for each in answers) == ["Accepted", "GenerationMismatchError"]
    assert (await deployer.document()).generation == 2


async def test_a_lagging_gateway_does_not_overwrite_a_generation_that_it_has_not_read(
    gateways: Pair, deployer: Deployer
) -> None:
    first, second = gateways
    await first.servings.create(request())
    await second.shown()
    second.projection.lags = True
    await first.servings.replace(request(2), Conditions(if_match=1))
    assert (await second.shown()).generation == 1
    with pytest.raises(GenerationMismatchError, match="is at generation 2, not 1"):
        await second.servings.replace(request(3), Conditions(if_match=1))
    assert (await second.shown()).generation == 1
    assert (await deployer.document()).spec.variants[0].replicas == 2


async def test_a_lagging_gateway_accepts_a_generation_that_it_has_not_read(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.servings.create(request())
    await second.shown()
    second.projection.lags = True
    await first.servings.replace(request(2), Conditions(if_match=1))
    await second.servings.replace(request(3), Conditions(if_match=2))
    assert ((await deployer.document()).generation, (await deployer.document()).spec.variants[0].replicas) == (3, 3)


async def test_an_unknown_generation_is_rejected(gateways: Pair) -> None:
    first, _ = gateways
    with pytest.raises(GenerationMismatchError, match="does not exist"):
        await first.servings.replace(request(), Conditions(if_match=5))
    await first.servings.create(request())
    with pytest.raises(GenerationMismatchError, match="is at generation 1, not 5"):
        await first.servings.replace(request(), Conditions(if_match=5))


async def test_a_conflict_that_the_projection_proves_is_refused_without_a_request(
    gateways: Pair, deployer: Deployer
) -> None:
    first, _ = gateways
    await first.servings.create(request())
    await first.servings.replace(request(2))
    stored = len(deployer.requests)
    with pytest.raises(GenerationMismatchError):
        await first.servings.replace(request(3), Conditions(if_match=1))
    with pytest.raises(AlreadyExistsError):
        await first.servings.create(request(3))
    with pytest.raises(GenerationMismatchError):
        await first.servings.delete("default", "iris", Conditions(if_match=1))
    assert len(deployer.requests) == stored


async def test_a_serving_is_created_through_only_one_of_two_gateways(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    second.projection.lags = True
    await first.servings.create(request())
    with pytest.raises(AlreadyExistsError):
        await second.servings.create(request(2))
    assert (await deployer.document()).spec.variants[0].replicas == 1


async def test_a_deletion_of_another_generation_is_rejected_by_the_deployer(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.servings.create(request())
    await second.shown()
    second.projection.lags = True
    await first.servings.replace(request(2))
    with pytest.raises(GenerationMismatchError):
        await second.servings.delete("default", "iris", Conditions(if_match=1))
    assert (await deployer.document()).status.phase is ServingPhase.PENDING
    await first.servings.delete("default", "iris", Conditions(if_match=2))
    assert (await deployer.document()).status.phase is ServingPhase.DELETING
    with pytest.raises(NotFoundError):
        await first.servings.delete("default", "other", Conditions(if_match=1))


async def test_a_request_without_a_decision_is_accepted_and_shown(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.servings.create(request())
    await second.shown()
    deployer.is_away = True
    written = await first.servings.replace(request(2), Conditions(if_match=1))
    assert (written.generation, (await first.shown()).status.phase) == (2, ServingPhase.PENDING)
    with pytest.raises(GenerationMismatchError):
        await first.servings.replace(request(3), Conditions(if_match=1))
    await second.servings.replace(request(4), Conditions(if_match=1))
    await deployer.handle()
    document = await deployer.document()
    assert (document.generation, document.spec.variants[0].replicas) == (2, 2)


async def test_a_request_repeated_at_another_gateway_is_one_request(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.servings.create(request())
    conditions = Conditions(if_match=1, key="a key")
    written = await first.servings.replace(request(2), conditions)
    repeated = await second.servings.replace(request(2), conditions)
    assert (written.generation, repeated.generation, len(deployer.requests)) == (2, 2, 2)
    with pytest.raises(GenerationMismatchError):
        await second.servings.replace(request(2), Conditions(if_match=1, key="another key"))


async def test_a_repeated_creation_is_one_request(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.servings.create(request(), Conditions(key="a key"))
    await second.servings.create(request(), Conditions(key="a key"))
    assert len(deployer.requests) == 1


async def test_a_repeated_request_that_was_rejected_stays_rejected(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.servings.create(request())
    await first.servings.replace(request(2))
    for gateway in (first, second):
        with pytest.raises(GenerationMismatchError):
            await gateway.servings.replace(request(3), Conditions(if_match=1, key="a key"))
    assert len(deployer.requests) == 3


async def test_a_gateway_that_starts_after_a_decision_finds_it(gateways: Pair, deployer: Deployer) -> None:
    first, _ = gateways
    await first.servings.create(request())
    accepted, rejected = Conditions(if_match=1, key="accepted"), Conditions(if_match=1, key="rejected")
    await first.servings.replace(request(2), accepted)
    with pytest.raises(GenerationMismatchError):
        await first.servings.replace(request(3), rejected)
    async with gateway_over(deployer) as third:
        assert (await third.servings.replace(request(2), accepted)).generation == 2
        with pytest.raises(GenerationMismatchError):
            await third.servings.replace(request(3), rejected)
    assert len(deployer.requests) == 3
