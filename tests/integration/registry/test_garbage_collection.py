"""Unreferenced blobs are removed once they are old; blobs of pushes in progress are kept."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from klever_registry.adapters.local import Layout, LocalBlobs, LocalInventory, LocalLocks, LocalManifests, LocalUploads
from klever_registry.domain.clocks import SteadyClock
from klever_registry.domain.manifests import parse_manifest
from klever_registry.errors import ManifestBlobUnknownError, StorageLostError
from klever_registry.service.blobs import Blobs
from klever_registry.service.collector import Collector
from klever_registry.service.distribution import Distribution
from kleverkit.leases import NotLeaderError
from kleverkit.metrics import counter
from kleverproto.envelope import utc_now
from kleverproto.metrics import REGISTRY_TRANSFER
from support import oci_artifacts as oci
from support.registry_service import running_registry
from support.registry_units import FixedUsage, unlimited
from support.waiting import eventually

REPOSITORY = "library/iris"
DAY = 24 * 3600
MODEL = oci.model()


class Silent:
    """An observer that does nothing."""

    def tagged(self, repository: str, tag: str, digest: str) -> None:
        """See `Observer`."""

    def untagged(self, repository: str, tag: str) -> None:
        """See `Observer`."""


class Disk:
    """The registry's stores in one directory, and their collector."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.layout = layout = Layout(root)
        self.blobs, self.manifests = LocalBlobs(layout), LocalManifests(layout)
        uploads = LocalUploads(layout)
        self.distribution = Distribution(
            blobs=Blobs(
                store=self.blobs,
                uploads=uploads,
                manifests=self.manifests,
                admission=unlimited(),
                locks=LocalLocks(root / "locks" / "repositories"),
                transfers=counter(REGISTRY_TRANSFER, CollectorRegistry()),
            ),
            manifests=self.manifests,
            observer=Silent(),
            usage=FixedUsage(),
        )
        self.collector = Collector(
            inventory=LocalInventory(layout),
            manifests=self.manifests,
            grace=timedelta(hours=1),
            clock=utc_now,
            check_lease=lambda: None,
        )

    async def push(self, artifact: oci.Artifact, tag: str = "v1") -> None:
        for blob in artifact.blobs:
            await self.blobs.put(REPOSITORY, oci.sha256(blob), blob)
        await self.distribution.push(REPOSITORY, tag, artifact.manifest, oci.OCI_MANIFEST)

    def age(self) -> None:
        """Let the last use of everything be a day ago."""
        then = time.time() - DAY
        for path in self.files():
            os.utime(path, (then, then))

    def files(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if "sha256" in path.parts and path.is_file()]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


async def test_an_unreferenced_blob_is_removed_only_once_it_is_old(disk: Disk) -> None:
    digest = oci.sha256(b"lost")
    await disk.blobs.put(REPOSITORY, digest, b"lost")
    assert await disk.collector.collect() == 0
    disk.age()
    assert await disk.collector.collect() == 1
    assert await disk.blobs.size(REPOSITORY, digest) is None


async def test_blobs_without_a_repository_are_removed_from_the_pool(disk: Disk) -> None:
    await disk.blobs.put(REPOSITORY, oci.sha256(b"lost"), b"lost")
    assert len(disk.files()) == 2
    disk.age()
    await disk.collector.collect()
    assert disk.files() == []


async def test_old_models_remain_with_or_without_a_tag_until_they_are_deleted(disk: Disk) -> None:
    newer = oci.model(b"newer")
    await disk.push(MODEL)
    await disk.push(newer)
    disk.age()
    assert await disk.collector.collect() == 0
    await disk.distribution.delete(REPOSITORY, MODEL.digest)
    assert await disk.collector.collect() == 1
    shared, weights = (oci.sha256(blob) for blob in MODEL.blobs)
    assert await disk.blobs.size(REPOSITORY, weights) is None
    assert await disk.blobs.size(REPOSITORY, shared) is not None


@pytest.mark.parametrize("use", ["head", "mount", "push"])
async def test_a_recently_used_blob_is_not_removed(disk: Disk, use: str) -> None:
    digest = oci.sha256(b"wanted")
    await disk.blobs.put(REPOSITORY, digest, b"wanted")
    disk.age()
    if use == "head":
        await disk.distribution.blobs.size(REPOSITORY, digest)
    elif use == "mount":
        await disk.blobs.mount("library/other", digest, source=REPOSITORY)
    else:
        await disk.blobs.put(REPOSITORY, digest, b"wanted")
    assert await disk.collector.collect() == 0
    assert await disk.blobs.size(REPOSITORY, digest) == len(b"wanted")


async def test_an_uploaded_blob_is_new_even_if_another_repository_has_an_old_one(disk: Disk) -> None:
    await disk.blobs.put("library/other", oci.sha256(b"same"), b"same")
    disk.age()
    await disk.blobs.put(REPOSITORY, oci.sha256(b"same"), b"same")
    assert await disk.collector.collect() == 0


def lose_a_manifest(disk: Disk) -> None:
    for path in disk.files():
        if path.name == MODEL.digest.partition(":")[2]:
            path.unlink()


def damage_a_manifest(disk: Disk) -> None:
    disk.layout.blob(REPOSITORY, MODEL.digest).write_bytes(b"{")


def lose_an_index(disk: Disk) -> None:
    disk.layout.index(REPOSITORY).unlink()


def damage_an_index(disk: Disk) -> None:
    disk.layout.index(REPOSITORY).write_bytes(disk.layout.index(REPOSITORY).read_bytes()[:-5])


@pytest.mark.parametrize("spoil", [lose_a_manifest, damage_a_manifest, lose_an_index, damage_an_index])
async def test_an_unreadable_manifest_prevents_every_removal(disk: Disk, spoil: Callable[[Disk], None]) -> None:
    await disk.push(MODEL)
    await disk.blobs.put("library/other", oci.sha256(b"lost"), b"lost")
    spoil(disk)
    disk.age()
    before = disk.files()
    with pytest.raises(StorageLostError):
        await disk.collector.collect()
    assert disk.files() == before


async def test_blobs_of_a_repository_that_lost_its_directory_remain_in_the_pool(disk: Disk) -> None:
    await disk.push(MODEL)
    shutil.rmtree(disk.layout.layout(REPOSITORY))
    disk.age()
    pooled = disk.files()
    assert pooled != []
    await disk.collector.collect()
    assert disk.files() == pooled


async def test_a_clock_that_jumps_forward_by_a_day_removes_nothing_of_a_push_in_progress(disk: Disk) -> None:
    wall, seconds = [utc_now()], [0.0]
    clock = SteadyClock(lambda: wall[0], lambda: seconds[0])
    collector = Collector(
        inventory=LocalInventory(disk.layout),
        manifests=disk.manifests,
        grace=timedelta(hours=1),
        clock=clock,
        check_lease=lambda: None,
    )
    await disk.blobs.put(REPOSITORY, oci.sha256(b"pushed"), b"pushed")
    wall[0] += timedelta(days=1)
    seconds[0] += 60
    assert await collector.collect() == 0
    seconds[0] += 3700
    assert await collector.collect() == 1


async def test_a_blob_deleted_by_two_repositories_at_once_leaves_the_pool(disk: Disk) -> None:
    digest = oci.sha256(b"shared")
    for repository in (REPOSITORY, "library/other"):
        await disk.blobs.put(repository, digest, b"shared")
    await asyncio.gather(*(disk.blobs.delete(repository, digest) for repository in (REPOSITORY, "library/other")))
    assert disk.files() == []


async def test_pushes_of_old_blobs_during_a_collection_are_complete_or_refused(disk: Disk) -> None:
    """Every manifest names blobs that are due for removal; the collector may run at any point."""
    models = [oci.model(f"weights {number}".encode()) for number in range(60)]
    for model in models:
        for blob in model.blobs:
            await disk.blobs.put(REPOSITORY, oci.sha256(blob), blob)
    disk.age()

    async def push(number: int) -> bool:
        model = models[number]
        try:
            await disk.distribution.push(REPOSITORY, f"v{number}", model.manifest, oci.OCI_MANIFEST)
        except ManifestBlobUnknownError:
            return False
        return True

    async def collect() -> int:
        return sum([await disk.collector.collect() for _ in range(20)])

    removed, *stored = await asyncio.gather(collect(), *(push(number) for number in range(len(models))))
    assert isinstance(removed, int)
    for number, was_stored in enumerate(stored):
        manifest = parse_manifest(models[number].manifest, models[number].digest)
        sizes = [await disk.blobs.size(REPOSITORY, blob) for blob in manifest.blobs]
        assert not was_stored or None not in sizes
    assert removed + sum(stored) > 0


async def test_the_service_collects_on_its_own_schedule(nats_url: str, tmp_path: Path) -> None:
    async with running_registry(tmp_path, nats_url, collect_seconds=0.05, collect_grace_hours=1) as client:
        await client.push(REPOSITORY, "v1", MODEL)
        await client.push_blob(REPOSITORY, b"lost")
        Disk(tmp_path).age()
        lost = tmp_path / "repositories" / REPOSITORY / "_oci/blobs/sha256" / oci.sha256(b"lost")[7:]

        async def is_gone() -> bool:
            return not lost.exists()

        await eventually(is_gone, within=10)
        for blob in MODEL.blobs:
            assert (await client.request("GET", f"/v2/{REPOSITORY}/blobs/{oci.sha256(blob)}")).body == blob


async def test_a_replica_without_the_lease_removes_nothing(disk: Disk) -> None:
    def check_lease() -> None:
        raise NotLeaderError("another replica may hold the lease")

    await disk.blobs.put(REPOSITORY, oci.sha256(b"pushed"), b"pushed")
    disk.age()
    collector = Collector(
        inventory=LocalInventory(disk.layout),
        manifests=disk.manifests,
        grace=timedelta(hours=1),
        clock=utc_now,
        check_lease=check_lease,
    )
    with pytest.raises(NotLeaderError):
        await collector.collect()
    assert disk.files() != []
