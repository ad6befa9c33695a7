"""Uploads, mounts, downloads and deletions of blobs. OCI distribution-spec 1.1."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass

from prometheus_client import Counter

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
    """The body of a request with bytes of a blob."""

    chunks: AsyncIterator[bytes]
    start: int | None = None
    """Offset of the bytes, if the client sent one."""
    announced: int | None = None
    """Number of the bytes, if the client sent one."""


class Blobs:
    """The use cases of the distribution API for blobs and uploads.

    Args:
        store: the stored blobs.
        uploads: the open uploads.
        manifests: the manifests, which refer to blobs.
        admission: limits on uploads.
        locks: locks that all replicas share.
        transfers: counts the bytes that are received and sent.
    """

    def __init__(
        self,
        *,
        store: BlobStore,
        uploads: Uploads,
        manifests: ManifestStore,
        admission: Admission,
        locks: Locks,
        transfers: Counter,
    ) -> None:
        self._received, self._sent = transfers.labels("received"), transfers.labels("sent")
        self.uploads = uploads
        self._store = store
        self._manifests = manifests
        self._admission = admission
        self._locks = locks

    def deletion_lock(self, repository: str) -> AbstractAsyncContextManager[None]:
        """Prevent deletions of blobs of the repository, between a check of blobs and the storing of their manifest."""
        return self._locks.exclusive(f"blobs of {repository}")

    async def admit(self, repository: str, size: int) -> None:
        """Reserve further bytes of the repository's project. Raises QuotaExceededError."""
        await self._admission.reserve(repository, size)

    async def missing(self, repository: str, digests: Iterable[str]) -> list[str]:
        """Return those of the blobs that the repository does not have."""
        return [digest for digest in digests if await self._store.size(repository, digest) is None]

    async def read(self, repository: str, digest: str, selected: range) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a blob in chunks. Raises BlobUnknownError."""
        stored = self._store.read(repository, digest, start=selected.start, stop=selected.stop)
        async with aclosing(stored) as pieces:
            async for piece in pieces:
                self._sent.inc(len(piece))
                yield piece

    async def size(self, repository: str, digest: str) -> int:
        """Return the size of a blob in bytes. Raises BlobUnknownError."""
        size = await self._store.size(repository, digest)
        if size is None:
            raise BlobUnknownError(f"{repository} has no blob {digest}", detail={"digest": digest})
        return size

    async def delete(self, repository: str, digest: str) -> None:
        """Remove an unreferenced blob.

        Raises:
            BlobUnknownError: the blob does not exist.
            UnsupportedError: the blob is a manifest, or a manifest refers to it.
            StorageError: a manifest cannot be read, so that its blobs are unknown.
        """
        async with self.deletion_lock(repository):
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
        """Add a blob of another repository; False if that one does not have it. Raises QuotaExceededError."""
        size = await self._store.size(source, digest)
        if size is None:
            return False
        if await self._store.size(repository, digest) is None:
            await self._admission.reserve(repository, size)
        return await self._store.mount(repository, digest, source=source)

    async def begin_upload(self, repository: str) -> str:
        """Start an upload and return its id. Raises TooManyRequestsError."""
        await self._admission.begin(repository)
        return await self.uploads.begin(repository)

    async def append(self, repository: str, upload: str, body: Body) -> int:
        """Append a chunk and return the new offset. Raises as `Uploads.append`, TooLargeError, QuotaExceededError."""
        chunks = await self._bounded(repository, upload, body)
        async with self._cancelled_beyond_limits(repository, upload):
            return await self.uploads.append(repository, upload, chunks, start=body.start)

    async def finish(self, repository: str, upload: str, digest: str, body: Body) -> None:
        """Append the last chunk and store the blob. Raises as `Uploads.commit`, and as `append`."""
        chunks = await self._bounded(repository, upload, body)
        async with self._cancelled_beyond_limits(repository, upload):
            await self.uploads.commit(repository, upload, digest, chunks, start=body.start)

    async def _bounded(self, repository: str, upload: str, body: Body) -> AsyncIterator[bytes]:
        offset = await self.uploads.offset(repository, upload)
        return self._admission.bounded(repository, self._counted(body.chunks), offset=offset, announced=body.announced)

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._received.inc(len(chunk))
            yield chunk

    @asynccontextmanager
    async def _cancelled_beyond_limits(self, repository: str, upload: str) -> AsyncIterator[None]:
        """Cancel the upload if it exceeds a limit, because it can never finish."""
        try:
            yield
        except (TooLargeError, QuotaExceededError):
            with suppress(DistributionError, StorageError):
                await self.uploads.cancel(repository, upload)
            raise

    async def upload_whole(self, repository: str, digest: str, body: Body) -> None:
        """Store a blob from a single request, or nothing. Raises DigestInvalidError, and as `append`."""
        upload = await self.begin_upload(repository)
        chunks = self._admission.bounded(repository, self._counted(body.chunks), announced=body.announced)
        try:
            await self.uploads.commit(repository, upload, digest, chunks)
        except BaseException:
            with suppress(DistributionError, StorageError):  # the client does not know the id and cannot resume
                await self.uploads.cancel(repository, upload)
            raise
