"""A deployer that decides, and two gateways that use it."""

from collections.abc import AsyncIterator

import pytest

from support.two_gateways import Deployer, OneGateway, gateway_over


@pytest.fixture
def deployer() -> Deployer:
    return Deployer()


@pytest.fixture
async def gateways(deployer: Deployer) -> AsyncIterator[tuple[OneGateway, OneGateway]]:
    async with gateway_over(deployer) as first, gateway_over(deployer) as second:
        yield first, second
