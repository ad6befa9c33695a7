"""Blobs as clients send, mount and delete them. OCI distribution-spec 1.1."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass

from klever_registry.domain.index import RepositoryIndex
from klever_registry.errors import (
    BlobUnknownError,
    DistributionError,
    QuotaExceededError,
    StorageError,
    TooLargeError,
    UnsupportedError,
)
from klever_registry.ports import BlobStore, Locks, ManifestStore, Uploads

from .admission import Admission


@dataclass(frozen=True)
class Body:
    """Bytes of a blob that a request brings."""

    chunks: AsyncIterator[bytes]
    start: int | None = None
    """Where they belong, if the client said."""
    announced: int | None = None
    """How many they are, if the client said."""


class Blobs:
    """The use cases of the distribution API that concern blobs and uploads.

    Args:
        store: what is stored.
        uploads: what is being uploaded.
        manifests: what needs blobs.
        admission: how much may be stored.
        locks: shared with every replica.
    """

    def __init__(
        self, *, store: BlobStore, uploads: Uploads, manifests: ManifestStore, admission: Admission, locks: Locks
    ) -> None:
        self.uploads = uploads
        self._store = store
        self._manifests = manifests
        self._admission = admission
        self._locks = locks

    def kept(self, repository: str) -> AbstractAsyncContextManager[None]:
        """No client deletes a blob of the repository meanwhile: for who looks for blobs and then stores a manifest."""
        return self._locks.exclusive(f"blobs of {repository}")

    async def admit(self, repository: str, size: int) -> None:
        """Let the repository's project have so many bytes more. Raises QuotaExceededError."""
        await self._admission.take(repository, size)

    async def missing(self, repository: str, digests: Iterable[str]) -> list[str]:
        """Those of the blobs that the repository does not have."""
        return [digest for digest in digests if await self._store.size(repository, digest) is None]

    def read(self, repository: str, digest: str, wanted: range) -> AsyncGenerator[bytes, None]:
        """Bytes of a blob, in pieces. Raises BlobUnknownError."""
        return self._store.read(repository, digest, start=wanted.start, stop=wanted.stop)

    async def size(self, repository: str, digest: str) -> int:
        """Bytes of a blob. Raises BlobUnknownError."""
        size = await self._store.size(repository, digest)
        if size is None:
            raise BlobUnknownError(f"{repository} has no blob {digest}", detail={"digest": digest})
        return size

    async def delete(self, repository: str, digest: str) -> None:
        """Remove a blob that nothing needs.

        Raises:
            BlobUnknownError: there is none.
            UnsupportedError: it is a manifest, or a manifest names it.
            StorageError: a manifest cannot be read, so that nobody knows what it needs.
        """
        async with self.kept(repository):
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
            await self._store.delete(repository, digest)

    async def mount(self, repository: str, digest: str, *, source: str) -> bool:
        """Let a repository have a blob of another one; False where that one lacks it. Raises QuotaExceededError."""
        size = await self._store.size(source, digest)
        if size is None:
            return False
        if await self._store.size(repository, digest) is None:
            await self._admission.take(repository, size)
        return await self._store.mount(repository, digest, source=source)

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
