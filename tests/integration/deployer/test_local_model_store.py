"""Models pulled from a real registry to this machine's disk."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from klever_deployer.adapters.local.model_store import LocalModelStore
from klever_deployer.adapters.local.replica_specs import LocalModel
from klever_deployer.adapters.model_registries import OciRegistries
from klever_deployer.domain.versions import ModelFacts, ModelSource
from klever_deployer.errors import ServingError
from kleverkit.errors import TransientError
from kleverproto.references import ModelRef
from ormb.client import OrmbClient
from support import oci_artifacts as oci
from support.oci_artifacts import Artifact, OciClient
from support.processes import free_port
from support.registry_service import running_registry

REF = ModelRef.parse("library/iris:v1")
MODEL, OTHER = oci.model(b"weights"), oci.model(b"other weights")


def source(digest: str, registry: str | None) -> ModelSource:
    return ModelSource(REF, digest, registry, ModelFacts("ONNX"))


@dataclass
class Bench:
    store: LocalModelStore
    registry: OciClient

    async def fetch(self, artifact: Artifact) -> LocalModel:
        return await self.store.fetch(source(artifact.digest, self.registry.address))


@pytest.fixture
async def bench(nats_url: str, tmp_path: Path) -> AsyncIterator[Bench]:
    store = LocalModelStore(tmp_path / "models", OrmbClient(tmp_path / "ormb"))
    async with running_registry(tmp_path / "registry", nats_url) as registry:
        task = asyncio.create_task(store.run())
        yield Bench(store, registry)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_model_is_pulled_once(bench: Bench) -> None:
    await bench.registry.push("library/iris", "v1", MODEL)
    assert await bench.store.find(MODEL.digest) is None
    model = await bench.fetch(MODEL)
    assert model.format == "ONNX"
    assert (model.directory / "model" / "model.onnx").read_bytes() == b"weights"
    assert await bench.store.find(MODEL.digest) == model
    assert await bench.fetch(MODEL) == model


async def test_removing_a_model_keeps_the_others(bench: Bench) -> None:
    for tag, artifact in (("v1", MODEL), ("v2", OTHER)):
        await bench.registry.push("library/iris", tag, artifact)
        await bench.fetch(artifact)
    assert await bench.store.digests() == {MODEL.digest, OTHER.digest}
    await bench.store.remove(MODEL.digest)
    await bench.store.remove(MODEL.digest)
    assert await bench.store.find(MODEL.digest) is None
    assert await bench.store.find(OTHER.digest) is not None
    assert await bench.store.digests() == {OTHER.digest}


async def test_a_model_that_was_deleted_from_the_registry_is_not_found(bench: Bench) -> None:
    with pytest.raises(ServingError, match=r"library/iris:v1@sha256:\w+ is no longer in ") as caught:
        await bench.fetch(MODEL)
    assert caught.value.code == "model_not_found"


async def test_an_artifact_that_is_not_a_model_cannot_be_pulled(bench: Bench) -> None:
    image = oci.image()
    await bench.registry.push("library/iris", "v1", image)
    with pytest.raises(ServingError, match="library/iris:v1 cannot be pulled: ") as caught:
        await bench.fetch(image)
    assert caught.value.code == "pull_failed"
    assert await bench.store.find(image.digest) is None


async def test_a_registry_that_does_not_answer_is_a_transient_error(bench: Bench) -> None:
    with pytest.raises(TransientError):
        await bench.store.fetch(source(MODEL.digest, f"127.0.0.1:{free_port()}"))


async def test_an_unknown_registry_is_a_transient_error(bench: Bench) -> None:
    with pytest.raises(TransientError, match="and not in the catalogue"):
        await bench.store.fetch(source(MODEL.digest, None))


async def test_a_manifest_is_described_without_a_pull(bench: Bench, tmp_path: Path) -> None:
    registries, address = OciRegistries(lambda: OrmbClient(tmp_path / "other")), bench.registry.address
    await bench.registry.push("library/iris", "v1", MODEL)
    await bench.registry.push("library/iris", "v1", OTHER)
    assert await registries.describe(REF, MODEL.digest, address) == ModelFacts("ONNX")
    assert await bench.store.digests() == set()
    with pytest.raises(ServingError, match=r"is no longer in ") as caught:
        await registries.describe(REF, f"sha256:{'0' * 64}", address)
    assert caught.value.code == "model_not_found"
    with pytest.raises(TransientError):
        await registries.describe(REF, MODEL.digest, f"127.0.0.1:{free_port()}")
