"""A full disk: pushes are refused with the reason, everything else works, and free space resolves it."""

import io
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from plugins.fix_disks import SmallDisk, fill, remount
from support import oci_artifacts as oci
from support.oci_artifacts import OciClient
from support.registry_service import Platform, platform, running_registry

REPOSITORY = "library/iris"
MODEL = oci.model()
LARGE = os.urandom(3 * 1024 * 1024)
SIZE, MIN_FREE_MIB = 2 * 1024 * 1024, 0.25


@pytest.fixture
def directory(small_disk: SmallDisk) -> Path:
    return small_disk(SIZE)


@pytest.fixture
async def registry(directory: Path, nats_url: str) -> AsyncIterator[OciClient]:
    """A registry on a disk of two megabytes."""
    async with running_registry(directory, nats_url, reconcile_seconds=600, min_free_mib=MIN_FREE_MIB) as client:
        yield client


@pytest.fixture
async def world(nats_url: str, registry: OciClient) -> AsyncIterator[Platform]:
    assert registry.address
    async with platform(nats_url) as view:
        yield view


async def problems(registry: OciClient) -> dict[str, str]:
    answer = await registry.request("GET", "/readyz")
    reasons: dict[str, str] = answer.json["problems"]
    assert (answer.status == 200) == (reasons == {})
    return reasons


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and path.name != "filler"]


async def test_a_blob_that_does_not_fit_is_507_with_the_reason_and_leaves_nothing(
    registry: OciClient, directory: Path
) -> None:
    await registry.push(REPOSITORY, MODEL.digest, MODEL)  # no version, so that the catalogue is not written meanwhile
    before = files(directory)
    answer = await registry.request(
        "POST", f"/v2/{REPOSITORY}/blobs/uploads/", params={"digest": oci.sha256(LARGE)}, data=io.BytesIO(LARGE)
    )
    (error,) = answer.json["errors"]
    assert (answer.status, error["code"]) == (507, "INSUFFICIENT_STORAGE")
    assert "the disk is full" in error["message"]
    assert "free space" in error["message"]
    assert files(directory) == before


async def test_a_chunked_upload_is_507_and_resumes_once_there_is_space(registry: OciClient, directory: Path) -> None:
    filler = fill(directory)
    content = b"x" * 200_000
    filler.write_bytes(bytes(filler.stat().st_size - 64 * 1024))
    location = await registry.begin(REPOSITORY)
    answer = await registry.request("PATCH", location, data=content)
    assert answer.status == 507
    filler.unlink()
    status = await registry.request("GET", location)
    have = int(status.headers["Range"].partition("-")[2]) + 1
    assert 0 < have < len(content)
    await registry.request("PATCH", location, data=content[have:])
    done = await registry.request("PUT", location, params={"digest": oci.sha256(content)})
    assert done.status == 201


async def test_readiness_reports_a_full_disk_and_recovers_while_pulls_continue(
    registry: OciClient, directory: Path, world: Platform
) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    await world.settled(f"{REPOSITORY}:v1", MODEL.digest)
    assert await problems(registry) == {}
    filler = fill(directory)
    assert "bytes left" in (await problems(registry))["storage"]
    for path in ("manifests/v1", f"blobs/{oci.sha256(MODEL.blobs[1])}", "tags/list"):
        assert (await registry.request("GET", f"/v2/{REPOSITORY}/{path}")).status == 200
    assert (await registry.request("PUT", f"/v2/{REPOSITORY}/manifests/v2", data=MODEL.manifest)).status in {400, 507}
    assert (await registry.request("GET", f"/v2/{REPOSITORY}/tags/list")).json["tags"] == ["v1"]
    filler.unlink()
    assert await problems(registry) == {}
    await registry.push(REPOSITORY, "v2", MODEL)
    await world.settled(f"{REPOSITORY}:v2", MODEL.digest)


async def test_a_tag_without_space_keeps_the_old_index(registry: OciClient, directory: Path) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    filler = fill(directory)
    headers = {"Content-Type": oci.OCI_MANIFEST}
    answer = await registry.request("PUT", f"/v2/{REPOSITORY}/manifests/v2", data=MODEL.manifest, headers=headers)
    assert answer.status == 507
    assert (await registry.request("GET", f"/v2/{REPOSITORY}/tags/list")).json["tags"] == ["v1"]
    assert not list((directory / "repositories" / REPOSITORY / "_oci").glob("_[0-9a-f]*"))
    filler.unlink()
    answer = await registry.request("PUT", f"/v2/{REPOSITORY}/manifests/v2", data=MODEL.manifest, headers=headers)
    assert answer.status == 201


def remove_locks(directory: Path) -> None:
    locks = [*directory.rglob("locks")]
    assert locks
    for folder in locks:
        shutil.rmtree(folder)


@pytest.mark.parametrize("has_locks", [True, False], ids=["with locks", "of a release without locks"])
async def test_a_read_only_file_system_is_reported_and_still_serves(
    registry: OciClient, directory: Path, *, has_locks: bool
) -> None:
    await registry.push(REPOSITORY, "v1", MODEL)
    if not has_locks:
        remove_locks(directory)
    await remount(directory, "ro")
    answer = await registry.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/")
    assert answer.status == 507
    assert "read-only" in answer.json["errors"][0]["message"]
    assert "read-only" in (await problems(registry))["storage"]
    for blob in MODEL.blobs:
        assert (await registry.request("GET", f"/v2/{REPOSITORY}/blobs/{oci.sha256(blob)}")).body == blob
    await remount(directory, "rw")
    assert await problems(registry) == {}
    await registry.push(REPOSITORY, "v2", MODEL)
