"""Two registries on one data directory: each has its own objects, and they share only the disk."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from klever_registry.adapters.local import Layout, LocalBlobs, LocalLocks, LocalManifests, LocalUploads
from klever_registry.domain.manifests import parse_manifest
from klever_registry.errors import ChunkOutOfOrderError, UploadUnknownError
from kleverproto.envelope import utc_now
from support import oci_artifacts as oci
from support.waiting import others

REPOSITORY = "library/iris"


class Replica:
    """The stores of one process."""

    def __init__(self, root: Path) -> None:
        self.layout = layout = Layout(root)
        self.manifests, self.blobs = LocalManifests(layout), LocalBlobs(layout)
        self.uploads = LocalUploads(layout, patience=0.05, clock=lambda: utc_now() + timedelta(days=2))
        self.locks = LocalLocks(root / "locks" / "repositories")


@pytest.fixture
def replicas(tmp_path: Path) -> tuple[Replica, Replica]:
    return Replica(tmp_path), Replica(tmp_path)


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_no_tag_is_lost_when_both_replicas_write_the_index_concurrently(
    replicas: tuple[Replica, Replica],
) -> None:
    artifact = oci.model(b"weights")
    manifest = parse_manifest(artifact.manifest, artifact.digest, oci.OCI_MANIFEST)
    pushes = [
        replica.manifests.put(REPOSITORY, manifest, f"v{number}-{who}")
        for number in range(20)
        for who, replica in enumerate(replicas)
    ]
    await asyncio.gather(*pushes)
    for replica in replicas:
        index = await replica.manifests.index(REPOSITORY)
        assert index is not None
        assert sorted(index.tags) == sorted(f"v{number}-{who}" for number in range(20) for who in (0, 1))


async def test_an_upload_resumes_at_the_other_replica(replicas: tuple[Replica, Replica]) -> None:
    one, two = replicas
    upload = await one.uploads.begin(REPOSITORY)
    await one.uploads.append(REPOSITORY, upload, chunks(b"a" * 100))
    assert await two.uploads.append(REPOSITORY, upload, chunks(b"b" * 50), start=100) == 150
    digest = oci.sha256(b"a" * 100 + b"b" * 50 + b"c")
    await one.uploads.commit(REPOSITORY, upload, digest, chunks(b"c"), start=150)
    assert await two.blobs.size(REPOSITORY, digest) == 151


async def test_an_upload_is_received_by_one_replica_and_not_discarded_by_the_other(
    replicas: tuple[Replica, Replica],
) -> None:
    one, two = replicas
    upload = await one.uploads.begin(REPOSITORY)
    may_end, started = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        started.set()
        await may_end.wait()
        yield b"a"

    receiving = asyncio.create_task(one.uploads.append(REPOSITORY, upload, slow()))
    await started.wait()
    with pytest.raises(ChunkOutOfOrderError, match="another request is sending"):
        await two.uploads.append(REPOSITORY, upload, chunks(b"b"))
    assert await two.uploads.purge(timedelta(hours=1)) == 0
    may_end.set()
    assert await receiving == 1
    assert await two.uploads.purge(timedelta(hours=1)) == 1
    with pytest.raises(UploadUnknownError):
        await one.uploads.offset(REPOSITORY, upload)


async def test_a_lock_is_held_by_one_replica_at_a_time(replicas: tuple[Replica, Replica]) -> None:
    one, two = replicas
    entered = asyncio.Event()

    async def enter() -> None:
        async with two.locks.exclusive(REPOSITORY):
            entered.set()

    async with one.locks.exclusive(REPOSITORY):
        waiting = asyncio.create_task(enter())
        await others(100)
        assert not entered.is_set()
    await asyncio.wait_for(waiting, 10)


async def test_removed_lock_files_are_created_again(tmp_path: Path) -> None:
    replica = Replica(tmp_path)
    shutil.rmtree(tmp_path / "locks")
    await replica.blobs.put(REPOSITORY, oci.sha256(b"blob"), b"blob")
    assert await replica.blobs.size(REPOSITORY, oci.sha256(b"blob")) == 4
