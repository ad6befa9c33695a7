"""One suite for everything that provides models to model servers: this machine, a cluster, and memory."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from klever_deployer.domain.versions import ModelFacts
from support.adapters import adapters
from support.deployer import digest, version_spec
from support.preparation_benches import PREPARATIONS, PreparationBench, on_api_server


@pytest.fixture(params=adapters([*PREPARATIONS, "kubernetes"]))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[PreparationBench]:
    if request.param in PREPARATIONS:
        yield PREPARATIONS[request.param]()
        return
    async with on_api_server(request.getfixturevalue("kubeconfig")) as bench:
        yield bench


async def ignore(_step: str) -> None:
    return


async def test_a_model_is_known_once_it_is_prepared(bench: PreparationBench) -> None:
    preparation = bench.preparation
    assert await preparation.find(digest("v1")) is None
    for _ in range(2):
        await preparation.prepare(version_spec("v1"), ignore)
    assert await preparation.find(digest("v1")) == ModelFacts("ONNX")
    assert await preparation.find(digest("v2")) is None


async def test_only_retained_models_remain(bench: PreparationBench) -> None:
    preparation = bench.preparation
    for version in ("v1", "v2"):
        await preparation.prepare(version_spec(version), ignore)
    for _ in range(2):  # the first time keeps a model that was prepared since the previous cleanup
        await preparation.retain({digest("v2")})
    assert await preparation.find(digest("v1")) is None
    assert await preparation.find(digest("v2")) == ModelFacts("ONNX")


async def test_the_next_deployer_knows_the_models_that_are_served(bench: PreparationBench) -> None:
    spec = version_spec("v1")
    await bench.preparation.prepare(spec, ignore)
    await bench.run(spec)
    await bench.hand_over()
    assert await bench.preparation.find(digest("v1")) == ModelFacts("ONNX")
    assert await bench.preparation.find(digest("v2")) is None


async def test_a_served_model_can_be_prepared_again_without_the_catalogue(bench: PreparationBench) -> None:
    spec = version_spec("v1")
    await bench.preparation.prepare(spec, ignore)
    await bench.run(spec)
    await bench.hand_over()
    unknown = replace(spec, model=replace(spec.model, registry=None))
    await bench.preparation.prepare(unknown, ignore)
    await bench.run(unknown)
    assert await bench.preparation.find(digest("v1")) == ModelFacts("ONNX")


async def test_a_model_is_unknown_once_its_version_has_stopped_and_it_is_not_retained(bench: PreparationBench) -> None:
    spec = version_spec("v1")
    await bench.preparation.prepare(spec, ignore)
    await bench.run(spec)
    await bench.stop(spec.key)
    for _ in range(2):
        await bench.preparation.retain(())
    assert await bench.preparation.find(digest("v1")) is None
