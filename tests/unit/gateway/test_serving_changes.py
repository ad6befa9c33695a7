"""Changes that are computed from the current serving: none is lost or made twice, at any gateways."""

import asyncio

import pytest

from klever_gateway.domain.preconditions import Conditions
from klever_gateway.errors import GenerationMismatchError, InvalidRequestError, NotFoundError
from klever_gateway.service.serving_changes import ATTEMPTS
from kleverproto.rollouts import Revision
from kleverproto.serving_changes import ChangeTraffic, DeployVersion, RollBack, ScaleServing
from kleverproto.servings import ServingRequested
from kleverproto.traffic import Mirror, Sticky
from support.gateway import NOW, serving_spec
from support.two_gateways import Deployer, OneGateway

IRIS = ("default", "iris")
V1 = DeployVersion(model="library/iris:v1")
V2 = DeployVersion(model="library/iris:v2")


Pair = tuple[OneGateway, OneGateway]


async def weights(deployer: Deployer) -> dict[str, int]:
    return (await deployer.document()).spec.traffic.weights


async def test_versions_are_deployed_alone_and_beside_each_other(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    assert (await first.changes.deploy(*IRIS, V1)).generation == 1
    share = DeployVersion(model="library/iris:v2", traffic=20)
    assert (await second.changes.deploy(*IRIS, share)).generation == 2
    document = await deployer.document()
    assert document.spec.traffic.weights == {"v1": 80, "v2": 20}
    assert all(variant.digest for variant in document.spec.variants)


async def test_concurrent_changes_through_two_gateways_are_all_made(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.changes.deploy(*IRIS, V1)
    await first.changes.deploy(*IRIS, DeployVersion(model="library/iris:v2", traffic=20))
    await asyncio.gather(
        first.changes.change_traffic(*IRIS, ChangeTraffic(mirror=Mirror(variant="v2"))),
        second.changes.change_traffic(*IRIS, ChangeTraffic(sticky=Sticky(header="x-user"))),
        first.changes.scale(*IRIS, ScaleServing(variant="v1", replicas=3)),
        second.changes.change_traffic(*IRIS, ChangeTraffic(weights={"v1": 50, "v2": 50})),
    )
    spec = (await deployer.document()).spec
    assert (spec.traffic.mirror, spec.traffic.sticky) == (Mirror(variant="v2"), Sticky(header="x-user"))
    assert (spec.traffic.weights, [variant.replicas for variant in spec.variants]) == ({"v1": 50, "v2": 50}, [3, 1])


async def test_two_gateways_that_create_a_serving_concurrently_deploy_both_versions(
    gateways: Pair, deployer: Deployer
) -> None:
    await asyncio.gather(gateways[0].changes.deploy(*IRIS, V1), gateways[1].changes.deploy(*IRIS, V2))
    assert (await deployer.document()).generation == 2


async def test_a_change_at_a_gateway_that_never_catches_up_is_given_up(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.changes.deploy(*IRIS, V1)
    await second.shown()
    second.projection.lags = True
    await first.changes.deploy(*IRIS, V2)
    stored = len(deployer.requests)
    with pytest.raises(GenerationMismatchError):
        await second.changes.scale(*IRIS, ScaleServing(replicas=2))
    assert len(deployer.requests) == stored + ATTEMPTS
    assert await weights(deployer) == {"v2": 100}


async def test_a_change_applies_only_to_the_required_generation(gateways: Pair, deployer: Deployer) -> None:
    first, second = gateways
    await first.changes.deploy(*IRIS, V1)
    await second.shown()
    second.projection.lags = True
    await first.changes.deploy(*IRIS, V2)
    scale = ScaleServing(replicas=2)
    for gateway, required in ((first, 1), (second, 1), (second, 2), (first, 9)):
        with pytest.raises(GenerationMismatchError):
            await gateway.changes.scale(*IRIS, scale, Conditions(if_match=required))
    assert (await deployer.document()).generation == 2
    await first.changes.scale(*IRIS, scale, Conditions(if_match=2))
    assert (await deployer.document()).spec.variants[0].replicas == 2


async def rolled_forward(gateway: OneGateway, deployer: Deployer) -> None:
    """A serving whose version 2 serves and whose version 1 is an earlier revision."""
    await gateway.changes.deploy(*IRIS, V1)
    first = (await deployer.document()).spec
    await gateway.changes.deploy(*IRIS, V2)
    document = await deployer.document()
    revisions = (Revision(generation=1, spec=first, ready_at=NOW),)
    await deployer.records.update(document, applied=document.spec, revisions=revisions)


async def test_a_rollback_that_a_client_repeats_at_another_gateway_is_made_once(
    gateways: Pair, deployer: Deployer
) -> None:
    await rolled_forward(gateways[0], deployer)
    conditions = Conditions(key="a key")
    answers = [await gateway.changes.roll_back(*IRIS, RollBack(), conditions) for gateway in gateways]
    assert [answer.generation for answer in answers] == [3, 3]
    assert await weights(deployer) == {"v1": 100}
    await gateways[1].changes.roll_back(*IRIS, RollBack())
    assert await weights(deployer) == {"v2": 100}


async def test_a_repeated_change_with_a_required_generation_is_made_once(gateways: Pair, deployer: Deployer) -> None:
    await rolled_forward(gateways[0], deployer)
    conditions = Conditions(if_match=2, key="a key")
    answers = [await gateway.changes.roll_back(*IRIS, RollBack(), conditions) for gateway in gateways]
    assert [answer.generation for answer in answers] == [3, 3]
    with pytest.raises(GenerationMismatchError):
        await gateways[1].changes.roll_back(*IRIS, RollBack(), Conditions(if_match=2, key="another key"))


async def test_refusals_change_nothing(gateways: Pair, deployer: Deployer) -> None:
    first, _ = gateways
    with pytest.raises(NotFoundError, match="there is no serving iris"):
        await first.changes.scale(*IRIS, ScaleServing(replicas=2))
    with pytest.raises(InvalidRequestError, match="remaining 80 %"):
        await first.changes.deploy(*IRIS, DeployVersion(model="library/iris:v1", traffic=20))
    with pytest.raises(InvalidRequestError, match="library/iris:v9"):
        await first.changes.deploy(*IRIS, DeployVersion(model="library/iris:v9"))
    await first.servings.create(ServingRequested(namespace="default", name="iris", spec=serving_spec()))
    with pytest.raises(InvalidRequestError, match="has kept no earlier revision"):
        await first.changes.roll_back(*IRIS, RollBack())
    assert (await deployer.document()).generation == 1
