"""One suite for everything that provides models to model servers: this machine and memory."""

from collections.abc import Callable

import pytest

from klever_deployer.adapters.local.preparation import LocalPreparation
from klever_deployer.adapters.local.shelf import Shelf
from klever_deployer.adapters.memory import InMemoryPreparation
from klever_deployer.domain.versions import ModelFacts
from klever_deployer.ports import Preparation
from kleversandbox.support import Confinement, Support
from support.deployer import InMemoryModels, InMemoryToolchains, digest, version_spec


def local() -> Preparation:
    confinement = Confinement(Support(abi=7, has_filter=True))
    return LocalPreparation(Shelf(InMemoryModels()), InMemoryToolchains(), confinement)


PREPARATIONS: dict[str, Callable[[], Preparation]] = {"memory": InMemoryPreparation, "local": local}


@pytest.fixture(params=PREPARATIONS)
def preparation(request: pytest.FixtureRequest) -> Preparation:
    return PREPARATIONS[request.param]()


async def ignore(_step: str) -> None:
    return


async def test_a_model_is_known_once_it_is_prepared(preparation: Preparation) -> None:
    assert await preparation.find(digest("v1")) is None
    for _ in range(2):
        await preparation.prepare(version_spec("v1"), ignore)
    assert await preparation.find(digest("v1")) == ModelFacts("ONNX")
    assert await preparation.find(digest("v2")) is None


async def test_only_retained_models_remain(preparation: Preparation) -> None:
    for version in ("v1", "v2"):
        await preparation.prepare(version_spec(version), ignore)
    for _ in range(2):  # the first time keeps a model that was prepared since the previous cleanup
        await preparation.retain({digest("v2")})
    assert await preparation.find(digest("v1")) is None
    assert await preparation.find(digest("v2")) == ModelFacts("ONNX")
