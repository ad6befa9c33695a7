"""Deleting a version on request: only the requested digest, no served version, and no referenced blob."""

from pathlib import Path

import pytest

from klever_registry.errors import InUseError, UsageUnknownError
from klever_registry.service.deletions import Deletions
from klever_registry.service.usage import ServedModels
from kleverkit.errors import PermanentError, TransientError
from kleverkit.memory_documents import InMemoryDocuments
from kleverproto.models import ModelDeleted, ModelDeleteRequested
from kleverproto.references import ModelRef
from kleverproto.servings import ServingDocument
from support import oci_artifacts as oci
from support.registry_units import REPOSITORY, RegistryUnits

MODEL, NEWER = oci.model(), oci.model(b"newer weights")
REF = ModelRef.parse(f"{REPOSITORY}:v1")


@pytest.fixture
async def registry(tmp_path: Path) -> RegistryUnits:
    """A registry with one announced model."""
    units = RegistryUnits(tmp_path)
    await units.push("v1", MODEL)
    await units.work()
    return units


async def seen(registry: RegistryUnits, tag: str = "v1") -> ModelDeleteRequested:
    """A request to delete a version in its current state."""
    document = await registry.document(tag)
    assert document is not None
    return ModelDeleteRequested(
        ref=document.spec.ref,
        digest=document.spec.digest,
        generation=document.generation,
        created_at=document.created_at,
    )


async def manifests(registry: RegistryUnits) -> list[str]:
    index = await registry.manifests.index(REPOSITORY)
    return list(index.manifests) if index else []


async def test_a_deleted_version_is_withdrawn_and_its_bytes_may_be_removed(registry: RegistryUnits) -> None:
    await registry.deletions.handle_request(await seen(registry))
    await registry.work()
    assert registry.publisher.data()[1:] == [ModelDeleted(ref=REF, digest=MODEL.digest)]
    assert await registry.versions() == []
    assert await manifests(registry) == []


async def test_a_repeated_request_changes_nothing(registry: RegistryUnits) -> None:
    request = await seen(registry)
    for _ in range(2):
        await registry.deletions.handle_request(request)
        await registry.work()
    assert registry.publisher.names() == ["ModelPushed", "ModelDeleted"]


async def test_another_tag_of_the_same_bytes_remains_with_its_manifest(registry: RegistryUnits) -> None:
    await registry.push("stable", MODEL)
    await registry.work()
    await registry.deletions.handle_request(await seen(registry))
    await registry.work()
    assert await registry.versions() == [f"{REPOSITORY}:stable"]
    assert (await registry.distribution.pull(REPOSITORY, "stable")).digest == MODEL.digest


async def test_a_push_after_the_request_remains(registry: RegistryUnits) -> None:
    request = await seen(registry)
    await registry.push("v1", NEWER)
    await registry.deletions.handle_request(request)  # the catalogue does not know the push yet
    await registry.work()
    await registry.deletions.handle_request(request)
    await registry.work()
    document = await registry.document("v1")
    assert document is not None
    assert document.spec.digest == NEWER.digest


async def test_a_version_deleted_and_pushed_again_is_another_one(registry: RegistryUnits) -> None:
    request = await seen(registry)
    await registry.distribution.delete(REPOSITORY, "v1")
    await registry.work()
    await registry.push("v1", MODEL)
    await registry.work()
    await registry.deletions.handle_request(request)
    await registry.work()
    assert await registry.versions() == [str(REF)]


async def test_a_served_version_is_not_deleted_on_any_request(registry: RegistryUnits) -> None:
    registry.served.by_tag["v1"] = "default/iris"
    request = await seen(registry)
    with pytest.raises(TransientError, match="library/iris:v1 is served by default/iris: deploy another version there"):
        await registry.deletions.handle_request(request)
    for reference in ("v1", MODEL.digest):
        with pytest.raises(InUseError, match="served by default/iris"):
            await registry.distribution.delete(REPOSITORY, reference)
    await registry.work()
    assert await registry.versions() == [str(REF)]
    registry.served.by_tag.clear()
    await registry.deletions.handle_request(request)  # the registry did not know yet that the serving is gone
    await registry.work()
    assert await registry.versions() == []


async def test_nothing_is_deleted_before_the_served_versions_are_known(registry: RegistryUnits) -> None:
    registry.distribution._usage = ServedModels(InMemoryDocuments[ServingDocument]())
    with pytest.raises(UsageUnknownError, match="try again in a moment"):
        await registry.distribution.delete(REPOSITORY, "v1")
    assert await manifests(registry) == [MODEL.digest]


async def test_a_version_of_another_registry_is_left_alone(registry: RegistryUnits) -> None:
    elsewhere = Deletions(registry.distribution, registry.records, "harbor.example.com")
    with pytest.raises(PermanentError, match=r"is stored in 127\.0\.0\.1:5000: delete it there"):
        await elsewhere.handle_request(await seen(registry))
