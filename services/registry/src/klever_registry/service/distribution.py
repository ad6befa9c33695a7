"""Manifests as clients push, pull and delete them. OCI distribution-spec 1.1."""

import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from klever_registry.domain import names
from klever_registry.domain.index import RepositoryIndex
from klever_registry.domain.manifests import Descriptor, Manifest, parse_manifest
from klever_registry.errors import (
    BlobUnknownError,
    DigestInvalidError,
    DistributionError,
    InUseError,
    ManifestBlobUnknownError,
    ManifestUnknownError,
    NameUnknownError,
    QuotaExceededError,
    StorageError,
    TooLargeError,
    UnsupportedError,
)
from klever_registry.ports import BlobStore, Locks, ManifestStore, Uploads, Usage
from kleverproto.served import still_served
from modelformats.threads import in_thread

from .admission import Admission


class Observer(Protocol):
    """Told of every tag that changes, after the change is on disk. Must not block."""

    def tagged(self, repository: str, tag: str, digest: str) -> None:
        """A tag was pushed."""
        ...

    def untagged(self, repository: str, tag: str) -> None:
        """A tag is gone."""
        ...


@dataclass(frozen=True)
class Body:
    """Bytes of a blob that a request brings."""

    chunks: AsyncIterator[bytes]
    start: int | None = None
    """Where they belong, if the client said."""
    announced: int | None = None
    """How many they are, if the client said."""


class Distribution:
    """The use cases of the distribution API that are more than one step."""

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        *,
        blobs: BlobStore,
        uploads: Uploads,
        manifests: ManifestStore,
        observer: Observer,
        usage: Usage,
        admission: Admission,
        locks: Locks,
    ) -> None:
        self.blobs = blobs
        self.uploads = uploads
        self._admission = admission
        self._manifests = manifests
        self._observer = observer
        self._locks = locks
        self._usage = usage

    async def push(
        self, repository: str, reference: str, content: bytes, media_type: str | None, tags: Sequence[str] = ()
    ) -> Manifest:
        """Store a manifest under a tag or its digest, and under more tags.

        Raises:
            DigestInvalidError: it is not what the digest says.
            ManifestInvalidError: it cannot be read, or a tag is none.
            ManifestBlobUnknownError: the repository lacks something that it names.
            QuotaExceededError: its project may have no more.
        """
        tag = reference if names.is_tag(reference) else None
        digest = await in_thread(_digest, content, None if tag else reference)
        manifest = await in_thread(parse_manifest, content, digest, media_type)
        wanted = [*([tag] if tag else []), *(names.tag(each) for each in tags)]
        async with self._locks.exclusive(
            parts_of(repository)
        ):  # or a deletion could take a blob between the look and the manifest
            await self._require_parts(repository, manifest)
            await self._admission.take(repository, len(content))
            for each in wanted or (None,):
                await self._manifests.put(repository, manifest, each)
        for each in wanted:
            self._observer.tagged(repository, each, manifest.digest)
        return manifest

    async def pull(self, repository: str, reference: str) -> Manifest:
        """The manifest that a tag or digest names. Raises ManifestUnknownError, NameUnknownError."""
        names.is_tag(reference)
        manifest = await self._manifests.get(repository, reference)
        if manifest is None:
            await self._index(repository)
            raise _manifest_unknown(repository, reference)
        return manifest

    async def delete(self, repository: str, reference: str) -> None:
        """Remove a tag, or a manifest with its tags.

        Raises:
            ManifestUnknownError, NameUnknownError: there is none.
            InUseError: it is served.
            UsageUnknownError: whether it is served is not known yet.
        """
        index = await self._index(repository)
        if index.resolve(reference) is None:
            raise _manifest_unknown(repository, reference)
        if names.is_tag(reference):
            self._require_unused(repository, [reference], None)
        else:
            self._require_unused(repository, index.tags_of(reference), reference)
        if names.is_tag(reference):
            gone = [reference] if await self._manifests.delete_tag(repository, reference) else None
        else:
            gone = await self._manifests.delete(repository, reference)
        if gone is None:
            raise _manifest_unknown(repository, reference)
        for tag in gone:
            self._observer.untagged(repository, tag)

    async def delete_version(self, repository: str, tag: str, digest: str) -> bool:
        """Remove a tag for as long as it names a manifest, and that with its referrers where nothing else names it.

        False where the tag names another one, or is not there.

        Raises:
            InUseError, UsageUnknownError: as `delete`.
        """
        index = await self._manifests.index(repository)
        if index is None or index.tags.get(tag) != digest:
            return False
        self._require_unused(repository, [tag], digest if index.tags_of(digest) == [tag] else None)
        gone = await self._manifests.delete_version(repository, tag, digest)
        if gone:
            self._observer.untagged(repository, tag)
        return gone

    async def blob_size(self, repository: str, digest: str) -> int:
        """Bytes of a blob. Raises BlobUnknownError."""
        size = await self.blobs.size(repository, digest)
        if size is None:
            raise BlobUnknownError(f"{repository} has no blob {digest}", detail={"digest": digest})
        return size

    async def delete_blob(self, repository: str, digest: str) -> None:
        """Remove a blob that nothing needs.

        Raises:
            BlobUnknownError: there is none.
            UnsupportedError: it is a manifest, or a manifest names it.
            StorageError: a manifest cannot be read, so that nobody knows what it needs.
        """
        async with self._locks.exclusive(parts_of(repository)):
            index = await self._manifests.index(repository) or RepositoryIndex()
            if digest in index.manifests:
                raise UnsupportedError(f"{digest} is a manifest: delete it at /v2/{repository}/manifests/{digest}")
            for name in index.manifests:
                manifest = await self._manifests.get(repository, name)
                if manifest is not None and digest in (*manifest.blobs, *manifest.foreign):
                    raise UnsupportedError(
                        f"{digest} is needed by the manifest {name}: delete that first, at "
                        f"/v2/{repository}/manifests/{name}",
                        detail={"digest": digest, "manifest": name},
                    )
            await self.blobs.delete(repository, digest)

    async def mount(self, repository: str, digest: str, *, source: str) -> bool:
        """Let a repository have a blob of another one; False where that has it not. Raises QuotaExceededError."""
        size = await self.blobs.size(source, digest)
        if size is None:
            return False
        if await self.blobs.size(repository, digest) is None:
            await self._admission.take(repository, size)
        return await self.blobs.mount(repository, digest, source=source)

    async def begin_upload(self, repository: str) -> str:
        """Start an upload; its id. Raises TooManyRequestsError."""
        await self._admission.begin(repository)
        return await self.uploads.begin(repository)

    async def append(self, repository: str, upload: str, body: Body) -> int:
        """Add a chunk to an upload; its new offset. Raises as `Uploads.append`, TooLargeError, QuotaExceededError."""
        chunks = await self._bounded(repository, upload, body)
        async with self._given_up_beyond_limits(repository, upload):
            return await self.uploads.append(repository, upload, chunks, start=body.start)

    async def finish(self, repository: str, upload: str, digest: str, body: Body) -> None:
        """Add the last chunk and make the upload a blob. Raises as `Uploads.commit`, and as `append`."""
        chunks = await self._bounded(repository, upload, body)
        async with self._given_up_beyond_limits(repository, upload):
            await self.uploads.commit(repository, upload, digest, chunks, start=body.start)

    async def _bounded(self, repository: str, upload: str, body: Body) -> AsyncIterator[bytes]:
        offset = await self.uploads.offset(repository, upload)
        return self._admission.bounded(repository, body.chunks, offset=offset, announced=body.announced)

    @asynccontextmanager
    async def _given_up_beyond_limits(self, repository: str, upload: str) -> AsyncIterator[None]:
        """What can never end does not stay on the disk."""
        try:
            yield
        except (TooLargeError, QuotaExceededError):
            with suppress(DistributionError, StorageError):
                await self.uploads.cancel(repository, upload)
            raise

    async def upload_whole(self, repository: str, digest: str, body: Body) -> None:
        """Store a blob that comes in one request, or nothing of it. Raises DigestInvalidError, and as `append`."""
        upload = await self.begin_upload(repository)
        chunks = self._admission.bounded(repository, body.chunks, announced=body.announced)
        try:
            await self.uploads.commit(repository, upload, digest, chunks)
        except BaseException:
            with suppress(DistributionError, StorageError):  # the client does not know its id, so it cannot take it up
                await self.uploads.cancel(repository, upload)
            raise

    async def repositories(self) -> list[str]:
        """Every repository, sorted."""
        return await self._manifests.repositories()

    async def tags(self, repository: str) -> list[str]:
        """Every tag, sorted. Raises NameUnknownError."""
        return sorted((await self._index(repository)).tags)

    async def referrers(self, repository: str, subject: str, artifact_type: str | None = None) -> list[Descriptor]:
        """The manifests that refer to another one, perhaps of one type only; empty where there is none."""
        index = await self._manifests.index(repository)
        digests = index.referrers(subject) if index else []
        found = [await self._manifests.get(repository, digest) for digest in digests]
        descriptors = [manifest.descriptor for manifest in found if manifest]
        return [each for each in descriptors if artifact_type in {None, each.artifact_type}]

    async def _index(self, repository: str) -> RepositoryIndex:
        index = await self._manifests.index(repository)
        if index is None:
            raise NameUnknownError(f"there is no repository {repository}", detail={"name": repository})
        return index

    def _require_unused(self, repository: str, tags: Collection[str], digest: str | None) -> None:
        servings = self._usage.servings_of(repository, tags, digest)
        if servings:
            named = ", ".join(f"{repository}:{tag}" for tag in tags) or f"{repository}@{digest}"
            raise InUseError(still_served(named, servings), detail={"servings": servings})

    async def _require_parts(self, repository: str, manifest: Manifest) -> None:
        missing = [digest for digest in manifest.blobs if await self.blobs.size(repository, digest) is None]
        if manifest.children:
            index = await self._manifests.index(repository)
            missing += [digest for digest in manifest.children if index is None or digest not in index.manifests]
        if missing:
            raise ManifestBlobUnknownError(
                f"push {', '.join(missing)} to {repository} before the manifest that names it",
                detail={"digest": missing[0]},
            )


def parts_of(repository: str) -> str:
    """Name of the lock for what manifests of a repository need."""
    return f"parts of {repository}"


def _digest(content: bytes, wanted: str | None) -> str:
    kind = names.algorithm(wanted) if wanted else "sha256"
    found = f"{kind}:{hashlib.new(kind, content).hexdigest()}"
    if wanted not in {None, found}:
        raise DigestInvalidError(f"the manifest is {found}, not {wanted}", detail={"expected": wanted, "actual": found})
    return found


def _manifest_unknown(repository: str, reference: str) -> ManifestUnknownError:
    return ManifestUnknownError(f"{repository} has no manifest {reference}", detail={"reference": reference})
