"""One suite for every artifact store of the registry: the local disk and memory."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from klever_registry.adapters.local import Layout, LocalBlobs, LocalManifests, LocalUploads
from klever_registry.adapters.memory import InMemoryBlobs, InMemoryManifests, InMemoryUploads
from klever_registry.domain.clocks import SteadyClock
from klever_registry.domain.manifests import parse_manifest
from klever_registry.errors import (
    BlobUnknownError,
    ChunkOutOfOrderError,
    DigestInvalidError,
    StorageLostError,
    UploadUnknownError,
)
from klever_registry.ports import BlobStore, ManifestStore, Uploads
from kleverproto.envelope import utc_now
from support import oci_artifacts as oci

REPOSITORY, OTHER = "library/iris", "library/iris/blobs/sha256"
CONTENT = b"some bytes"
DIGEST = oci.sha256(CONTENT)
MODEL = parse_manifest(oci.model().manifest, oci.model().digest)
NEWER = parse_manifest(oci.model(b"new").manifest, oci.model(b"new").digest)


@dataclass(frozen=True)
class Store:
    blobs: BlobStore
    uploads: Uploads
    manifests: ManifestStore

    async def upload(self, *pieces: bytes, repository: str = REPOSITORY) -> str:
        upload = await self.uploads.begin(repository)
        await self.uploads.append(repository, upload, chunks(*pieces))
        return upload

    async def content(self, digest: str = DIGEST, *, start: int = 0, stop: int = 1 << 30) -> bytes:
        return b"".join([piece async for piece in self.blobs.read(REPOSITORY, digest, start=start, stop=stop)])


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def local(root: Path) -> Store:
    layout = Layout(root)
    return Store(LocalBlobs(layout), LocalUploads(layout), LocalManifests(layout))


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return local(tmp_path)
    blobs = InMemoryBlobs()
    return Store(blobs, InMemoryUploads(blobs), InMemoryManifests())


async def test_an_upload_becomes_a_blob_only_when_it_is_committed(store: Store) -> None:
    upload = await store.upload(b"some ", b"bytes")
    assert await store.uploads.offset(REPOSITORY, upload) == len(CONTENT)
    assert await store.blobs.size(REPOSITORY, DIGEST) is None
    await store.uploads.commit(REPOSITORY, upload, DIGEST)
    assert await store.blobs.size(REPOSITORY, DIGEST) == len(CONTENT)
    assert await store.content() == CONTENT
    with pytest.raises(UploadUnknownError):
        await store.uploads.offset(REPOSITORY, upload)


async def test_a_range_of_a_blob_can_be_read(store: Store) -> None:
    await store.blobs.put(REPOSITORY, DIGEST, CONTENT)
    assert await store.content(start=2, stop=6) == CONTENT[2:6]
    assert await store.content(start=8) == CONTENT[8:]


async def test_sha512_digests_are_verified_too(store: Store) -> None:
    digest = f"sha512:{hashlib.sha512(CONTENT).hexdigest()}"
    await store.uploads.commit(REPOSITORY, await store.upload(CONTENT), digest)
    assert await store.content(digest) == CONTENT


async def test_bytes_with_another_digest_never_become_visible(store: Store) -> None:
    upload = await store.upload(b"other bytes")
    with pytest.raises(DigestInvalidError):
        await store.uploads.commit(REPOSITORY, upload, DIGEST)
    assert await store.blobs.size(REPOSITORY, DIGEST) is None
    with pytest.raises(UploadUnknownError):
        await store.uploads.offset(REPOSITORY, upload)


async def test_a_chunk_must_begin_where_the_previous_one_ended(store: Store) -> None:
    upload = await store.upload(b"some")
    with pytest.raises(ChunkOutOfOrderError) as caught:
        await store.uploads.append(REPOSITORY, upload, chunks(b"x"), start=5)
    assert caught.value.offset == 4
    assert await store.uploads.append(REPOSITORY, upload, chunks(b" bytes"), start=4) == len(CONTENT)


async def test_an_upload_belongs_to_one_repository_and_can_be_cancelled(store: Store) -> None:
    upload = await store.upload(CONTENT)
    with pytest.raises(UploadUnknownError):
        await store.uploads.append(OTHER, upload, chunks(b"x"))
    await store.uploads.cancel(REPOSITORY, upload)
    with pytest.raises(UploadUnknownError):
        await store.uploads.cancel(REPOSITORY, upload)
    with pytest.raises(UploadUnknownError):
        await store.uploads.commit(REPOSITORY, "../../../etc/passwd", DIGEST)


async def test_only_abandoned_uploads_are_purged(store: Store) -> None:
    upload = await store.upload(CONTENT)
    assert await store.uploads.purge(timedelta(hours=1)) == 0
    assert await store.uploads.offset(REPOSITORY, upload) == len(CONTENT)
    assert await store.uploads.purge(timedelta(seconds=-1)) == 1
    with pytest.raises(UploadUnknownError):
        await store.uploads.offset(REPOSITORY, upload)


async def test_only_one_of_two_concurrent_commits_of_an_upload_succeeds(store: Store) -> None:
    upload = await store.upload(CONTENT)
    ends = [store.uploads.commit(REPOSITORY, upload, DIGEST) for _ in range(2)]
    ended = await asyncio.gather(*ends, return_exceptions=True)
    assert sorted(type(each).__name__ for each in ended) == ["NoneType", "UploadUnknownError"]
    assert await store.content() == CONTENT


@pytest.mark.parametrize("start", [None, 5])
async def test_a_last_chunk_that_is_sent_twice_concurrently_counts_once(store: Store, start: int | None) -> None:
    upload = await store.upload(b"some ")
    ends = [store.uploads.commit(REPOSITORY, upload, DIGEST, chunks(b"bytes"), start=start) for _ in range(2)]
    ended = await asyncio.gather(*ends, return_exceptions=True)
    assert [type(each) for each in ended if each is not None] == [UploadUnknownError]
    assert await store.content() == CONTENT


async def test_concurrent_chunks_are_never_mixed(store: Store) -> None:
    """Each chunk comes in two pieces, and the first request has sent one when the second starts."""
    upload = await store.upload()
    gates = [asyncio.Event(), asyncio.Event()]

    async def slow(letter: bytes, gate: asyncio.Event) -> AsyncIterator[bytes]:
        yield letter
        await gate.wait()
        yield letter

    appends = [
        asyncio.ensure_future(store.uploads.append(REPOSITORY, upload, slow(letter, gate)))
        for letter, gate in zip((b"a", b"b"), gates, strict=True)
    ]
    await asyncio.wait(appends, timeout=0.02)
    for gate in gates:
        gate.set()
    ended = await asyncio.gather(*appends, return_exceptions=True)
    assert sorted(type(each).__name__ for each in ended) == ["ChunkOutOfOrderError", "int"]
    assert await store.uploads.offset(REPOSITORY, upload) == 2
    winner = b"aa" if ended[0] == 2 else b"bb"
    await store.uploads.commit(REPOSITORY, upload, oci.sha256(winner))


async def test_a_request_waits_for_another_one_to_its_upload_with_a_limit(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    uploads, gate = LocalUploads(layout, patience=0.05), asyncio.Event()
    upload = await uploads.begin(REPOSITORY)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"some "
        await gate.wait()

    first = asyncio.create_task(uploads.append(REPOSITORY, upload, stalled()))
    await asyncio.wait({first}, timeout=0.01)
    with pytest.raises(ChunkOutOfOrderError, match="another request"):
        await uploads.append(REPOSITORY, upload, chunks(b"x"))
    gate.set()
    assert await first == len(b"some ")
    await uploads.commit(REPOSITORY, upload, DIGEST, chunks(b"bytes"))


async def test_an_upload_in_progress_is_not_abandoned_however_old_it_looks(tmp_path: Path) -> None:
    uploads, gate = LocalUploads(Layout(tmp_path)), asyncio.Event()
    upload = await uploads.begin(REPOSITORY)

    async def stalled() -> AsyncIterator[bytes]:
        yield CONTENT
        await gate.wait()

    sending = asyncio.create_task(uploads.append(REPOSITORY, upload, stalled()))
    await asyncio.wait({sending}, timeout=0.01)
    assert await uploads.purge(timedelta(days=-2)) == 0
    gate.set()
    assert await sending == len(CONTENT)


async def test_a_clock_that_jumps_forward_ages_nothing(tmp_path: Path) -> None:
    seconds = [0.0]
    clock = SteadyClock(utc_now, lambda: seconds[0])
    layout = Layout(tmp_path)
    uploads = LocalUploads(layout, clock=clock)
    upload = await uploads.begin(REPOSITORY)
    path = layout.uploads(REPOSITORY) / upload
    tomorrow = path.stat().st_mtime + 24 * 3600
    assert await uploads.purge(timedelta(hours=1)) == 0
    os.utime(path, (tomorrow, tomorrow))  # written after the clock jumped forward by a day
    seconds[0] = 2 * 3600
    assert await uploads.purge(timedelta(hours=1)) == 0
    os.utime(path, (tomorrow - 24 * 3600, tomorrow - 24 * 3600))
    assert await uploads.purge(timedelta(hours=1)) == 1


async def test_an_unreadable_file_is_an_error_and_not_an_absence(tmp_path: Path) -> None:
    store, layout = local(tmp_path), Layout(tmp_path)
    await store.manifests.put(REPOSITORY, MODEL, "v1")
    index, blob = layout.index(REPOSITORY), layout.blob(REPOSITORY, MODEL.digest)
    whole, manifest = index.read_bytes(), blob.read_bytes()
    for content in (whole[:-10], b"", b"[]", b'{"manifests": [{}]}'):
        index.write_bytes(content)
        with pytest.raises(StorageLostError, match=r"index\.json of library/iris cannot be read"):
            await store.manifests.get(REPOSITORY, "v1")
        with pytest.raises(StorageLostError):
            await store.manifests.put(REPOSITORY, NEWER, "v2")
    index.unlink()
    assert await store.manifests.repositories() == [REPOSITORY]
    with pytest.raises(StorageLostError, match=r"has lost its index\.json"):
        await store.manifests.index(REPOSITORY)
    index.write_bytes(whole)
    blob.unlink()
    with pytest.raises(StorageLostError, match="has lost its manifest"):
        await store.manifests.get(REPOSITORY, "v1")
    blob.write_bytes(b"\0" * len(manifest))
    with pytest.raises(StorageLostError, match="is damaged"):
        await store.manifests.get(REPOSITORY, "v1")
    blob.write_bytes(manifest)
    assert await store.manifests.get(REPOSITORY, "v1") == MODEL


async def test_a_blob_is_visible_only_in_its_repository_until_it_is_mounted(store: Store) -> None:
    await store.blobs.put(OTHER, DIGEST, CONTENT)
    assert await store.blobs.size(REPOSITORY, DIGEST) is None
    assert not await store.blobs.mount(REPOSITORY, DIGEST, source="library/empty")
    assert await store.blobs.mount(REPOSITORY, DIGEST, source=OTHER)
    await store.blobs.delete(OTHER, DIGEST)
    assert await store.content() == CONTENT


async def test_a_deleted_blob_can_be_pushed_again(store: Store) -> None:
    await store.blobs.put(REPOSITORY, DIGEST, CONTENT)
    await store.blobs.delete(REPOSITORY, DIGEST)
    assert await store.blobs.size(REPOSITORY, DIGEST) is None
    with pytest.raises(BlobUnknownError):
        await store.blobs.delete(REPOSITORY, DIGEST)
    with pytest.raises(BlobUnknownError):
        await store.content()
    await store.blobs.put(REPOSITORY, DIGEST, CONTENT)
    assert await store.content() == CONTENT


async def test_the_same_blob_can_be_pushed_many_times_concurrently(store: Store) -> None:
    async def push(repository: str) -> None:
        upload = await store.upload(CONTENT, repository=repository)
        await store.uploads.commit(repository, upload, DIGEST)

    await asyncio.gather(*(push(repository) for repository in [REPOSITORY, OTHER] * 8))
    assert await store.content() == CONTENT
    assert await store.blobs.size(OTHER, DIGEST) == len(CONTENT)


async def test_a_manifest_is_found_by_tag_and_by_digest(store: Store) -> None:
    assert await store.manifests.index(REPOSITORY) is None
    await store.manifests.put(REPOSITORY, MODEL, "v1")
    assert await store.manifests.get(REPOSITORY, "v1") == MODEL
    assert await store.manifests.get(REPOSITORY, MODEL.digest) == MODEL
    assert await store.manifests.get(REPOSITORY, "v2") is None
    assert await store.manifests.get(OTHER, "v1") is None


async def test_a_tag_can_move_and_the_old_manifest_remains(store: Store) -> None:
    await store.manifests.put(REPOSITORY, MODEL, "v1")
    await store.manifests.put(REPOSITORY, NEWER, "v1")
    assert await store.manifests.get(REPOSITORY, "v1") == NEWER
    assert await store.manifests.get(REPOSITORY, MODEL.digest) == MODEL


async def test_deleting_a_manifest_deletes_its_tags(store: Store) -> None:
    for tag in ("v1", "v2"):
        await store.manifests.put(REPOSITORY, MODEL, tag)
    assert await store.manifests.delete(REPOSITORY, MODEL.digest) == ["v1", "v2"]
    assert await store.manifests.get(REPOSITORY, "v1") is None
    assert await store.manifests.delete(REPOSITORY, MODEL.digest) is None


async def test_deleting_a_tag_keeps_its_manifest(store: Store) -> None:
    await store.manifests.put(REPOSITORY, MODEL, "v1")
    assert await store.manifests.delete_tag(REPOSITORY, "v1")
    assert not await store.manifests.delete_tag(REPOSITORY, "v1")
    assert await store.manifests.get(REPOSITORY, MODEL.digest) == MODEL


async def test_concurrent_pushes_to_one_repository_lose_nothing(store: Store) -> None:
    tags = [f"v{number}" for number in range(20)]
    await asyncio.gather(*(store.manifests.put(REPOSITORY, MODEL, tag) for tag in tags))
    index = await store.manifests.index(REPOSITORY)
    assert index is not None
    assert sorted(index.tags) == sorted(tags)


async def test_nested_repositories_are_listed(store: Store) -> None:
    for repository in (OTHER, REPOSITORY):
        await store.manifests.put(repository, MODEL, "v1")
    await store.uploads.begin("library/empty")
    assert await store.manifests.repositories() == [REPOSITORY, OTHER]


async def test_blobs_and_unfinished_uploads_survive_a_restart(tmp_path: Path) -> None:
    before = local(tmp_path)
    upload = await before.upload(b"some ")
    await before.manifests.put(REPOSITORY, MODEL, "v1")
    after = local(tmp_path)
    assert await after.manifests.get(REPOSITORY, "v1") == MODEL
    assert await after.uploads.offset(REPOSITORY, upload) == 5
    await after.uploads.append(REPOSITORY, upload, chunks(b"bytes"), start=5)
    await after.uploads.commit(REPOSITORY, upload, DIGEST)
    assert await after.content() == CONTENT


async def test_two_repositories_share_the_bytes_of_a_blob_on_disk(tmp_path: Path) -> None:
    store = local(tmp_path)
    for repository in (REPOSITORY, OTHER):
        await store.blobs.put(repository, DIGEST, CONTENT)
    files = [Path(folder) / name for folder, _, names in os.walk(tmp_path) for name in names if name in DIGEST]
    assert len(files) == 3
    assert len({path.stat().st_ino for path in files}) == 1
    for repository in (REPOSITORY, OTHER):
        await store.blobs.delete(repository, DIGEST)
    assert not any(path.exists() for path in files)
