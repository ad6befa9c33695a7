"""Deleting blobs: referenced ones are kept."""

import asyncio
from pathlib import Path

import pytest

from klever_registry.errors import BlobUnknownError, ManifestBlobUnknownError, StorageLostError, UnsupportedError
from support import oci_artifacts as oci
from support.registry_units import REPOSITORY, RegistryUnits

MODEL = oci.model(b"weights")
CONFIG, WEIGHTS = (oci.sha256(blob) for blob in MODEL.blobs)


@pytest.fixture
async def registry(tmp_path: Path) -> RegistryUnits:
    units = RegistryUnits(tmp_path)
    await units.push("v1", MODEL)
    return units


@pytest.mark.parametrize("digest", [CONFIG, WEIGHTS])
@pytest.mark.parametrize("by", ["tag", "digest alone"])
async def test_a_referenced_blob_is_kept(registry: RegistryUnits, digest: str, by: str) -> None:
    if by == "digest alone":
        await registry.distribution.delete(REPOSITORY, "v1")
    with pytest.raises(UnsupportedError, match="is needed by the manifest") as refused:
        await registry.distribution.blobs.delete(REPOSITORY, digest)
    assert refused.value.status == 405
    assert refused.value.detail["manifest"] == MODEL.digest
    assert await registry.blobs.size(REPOSITORY, digest) is not None


async def test_an_unreferenced_blob_is_removed(registry: RegistryUnits) -> None:
    await registry.distribution.delete(REPOSITORY, MODEL.digest)
    await registry.distribution.blobs.delete(REPOSITORY, WEIGHTS)
    with pytest.raises(BlobUnknownError):
        await registry.distribution.blobs.size(REPOSITORY, WEIGHTS)


async def test_a_blob_of_another_repository_is_not_referenced_here(registry: RegistryUnits) -> None:
    await registry.blobs.put("library/other", WEIGHTS, b"weights")
    await registry.distribution.blobs.delete("library/other", WEIGHTS)
    assert await registry.blobs.size(REPOSITORY, WEIGHTS) is not None


async def test_nothing_is_removed_if_references_cannot_be_read(registry: RegistryUnits) -> None:
    registry.manifests.unreadable.add(REPOSITORY)
    with pytest.raises(StorageLostError):
        await registry.distribution.blobs.delete(REPOSITORY, WEIGHTS)
    registry.manifests.unreadable.clear()
    assert await registry.blobs.size(REPOSITORY, WEIGHTS) is not None


async def test_a_concurrent_push_and_deletion_leave_no_manifest_without_its_blobs(registry: RegistryUnits) -> None:
    await registry.distribution.delete(REPOSITORY, MODEL.digest)
    ended = await asyncio.gather(
        registry.distribution.push(REPOSITORY, "v2", MODEL.manifest, oci.OCI_MANIFEST),
        registry.distribution.blobs.delete(REPOSITORY, WEIGHTS),
        return_exceptions=True,
    )
    assert [type(one) for one in ended if isinstance(one, Exception)] in (
        [UnsupportedError],
        [ManifestBlobUnknownError],
    )
