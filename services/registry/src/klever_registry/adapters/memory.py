"""In-memory blobs, uploads and manifests, for tests."""

import asyncio
import hashlib
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from klever_registry.domain.index import RepositoryIndex
from klever_registry.domain.manifests import Manifest
from klever_registry.domain.names import algorithm
from klever_registry.errors import BlobUnknownError, ChunkOutOfOrderError, DigestInvalidError, UploadUnknownError
from kleverproto.documents import Document

DocT = TypeVar("DocT", bound=Document[Any, Any])


class InMemoryBlobs:
    """See `BlobStore`."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[str, str], bytes] = {}

    async def size(self, repository: str, digest: str) -> int | None:
        """See `BlobStore`."""
        content = self._blobs.get((repository, digest))
        return None if content is None else len(content)

    async def read(self, repository: str, digest: str, *, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """See `BlobStore`."""
        if (repository, digest) not in self._blobs:
            raise BlobUnknownError(f"{repository} has no blob {digest}")
        yield self._blobs[repository, digest][start:stop]

    async def put(self, repository: str, digest: str, content: bytes) -> None:
        """See `BlobStore`."""
        self._blobs[repository, digest] = content

    async def mount(self, repository: str, digest: str, *, source: str) -> bool:
        """See `BlobStore`."""
        content = self._blobs.get((source, digest))
        if content is not None:
            self._blobs[repository, digest] = content
        return content is not None

    async def delete(self, repository: str, digest: str) -> None:
        """See `BlobStore`."""
        if self._blobs.pop((repository, digest), None) is None:
            raise BlobUnknownError(f"{repository} has no blob {digest}")


class InMemoryLocks:
    """See `Locks`."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        """See `Locks`."""
        async with self._locks[name]:
            yield


class InMemoryUploads:
    """See `Uploads`."""

    def __init__(self, blobs: InMemoryBlobs) -> None:
        self._blobs = blobs
        self._uploads: dict[tuple[str, str], bytearray] = {}
        self._touched: dict[tuple[str, str], datetime] = {}

    async def begin(self, repository: str) -> str:
        """See `Uploads`."""
        upload = str(uuid.uuid4())
        self._uploads[repository, upload] = bytearray()
        self._touched[repository, upload] = datetime.now(UTC)
        return upload

    async def offset(self, repository: str, upload: str) -> int:
        """See `Uploads`."""
        return len(self._content(repository, upload))

    async def append(
        self, repository: str, upload: str, chunks: AsyncIterator[bytes], *, start: int | None = None
    ) -> int:
        """See `Uploads`."""
        begin = len(self._content(repository, upload)) if start is None else start
        data = b"".join([chunk async for chunk in chunks])
        content = self._content(repository, upload)
        if begin != len(content):
            raise ChunkOutOfOrderError(f"the next chunk starts at {len(content)}, not at {begin}", offset=len(content))
        content.extend(data)
        self._touched[repository, upload] = datetime.now(UTC)
        return len(content)

    async def commit(
        self,
        repository: str,
        upload: str,
        digest: str,
        last: AsyncIterator[bytes] | None = None,
        *,
        start: int | None = None,
    ) -> None:
        """See `Uploads`."""
        if last is not None:
            await self.append(repository, upload, last, start=start)
        content = bytes(self._content(repository, upload))
        await self.cancel(repository, upload)
        if f"{algorithm(digest)}:{hashlib.new(algorithm(digest), content).hexdigest()}" != digest:
            raise DigestInvalidError(f"the received bytes do not have the digest {digest}")
        await self._blobs.put(repository, digest, content)

    async def cancel(self, repository: str, upload: str) -> None:
        """See `Uploads`."""
        self._content(repository, upload)
        del self._uploads[repository, upload], self._touched[repository, upload]

    async def purge(self, older_than: timedelta) -> int:
        """See `Uploads`."""
        limit = datetime.now(UTC) - older_than
        stale = [key for key, touched in self._touched.items() if touched < limit]
        for repository, upload in stale:
            await self.cancel(repository, upload)
        return len(stale)

    def _content(self, repository: str, upload: str) -> bytearray:
        try:
            return self._uploads[repository, upload]
        except KeyError as error:
            raise UploadUnknownError(f"there is no upload {upload}") from error


class InMemoryManifests:
    """See `ManifestStore`."""

    def __init__(self) -> None:
        self._indexes: dict[str, RepositoryIndex] = {}
        self._manifests: dict[tuple[str, str], Manifest] = {}

    async def index(self, repository: str) -> RepositoryIndex | None:
        """See `ManifestStore`."""
        return self._indexes.get(repository)

    async def get(self, repository: str, reference: str) -> Manifest | None:
        """See `ManifestStore`."""
        digest = self._indexes.get(repository, RepositoryIndex()).resolve(reference)
        return self._manifests[repository, digest] if digest else None

    async def put(self, repository: str, manifest: Manifest, tag: str | None) -> None:
        """See `ManifestStore`."""
        self._manifests[repository, manifest.digest] = manifest
        before = self._indexes.get(repository, RepositoryIndex())
        self._indexes[repository] = before.with_manifest(manifest, tag)

    async def delete_tag(self, repository: str, tag: str) -> bool:
        """See `ManifestStore`."""
        before = self._indexes.get(repository, RepositoryIndex())
        if tag in before.tags:
            self._indexes[repository] = before.without_tag(tag)
        return tag in before.tags

    async def delete_version(self, repository: str, tag: str, digest: str) -> bool:
        """See `ManifestStore`."""
        before = self._indexes.get(repository, RepositoryIndex())
        if before.tags.get(tag) != digest:
            return False
        self._indexes[repository] = before.without_version(tag)
        return True

    async def delete(self, repository: str, digest: str) -> list[str] | None:
        """See `ManifestStore`."""
        before = self._indexes.get(repository, RepositoryIndex())
        if digest not in before.manifests:
            return None
        self._indexes[repository] = before.without_manifest(digest)
        return before.tags_of(digest)

    async def repositories(self) -> list[str]:
        """See `ManifestStore`."""
        return sorted(self._indexes)


class InMemoryCopies(Generic[DocT]):
    """See `Copies`."""

    def __init__(self) -> None:
        self._copies: dict[str, DocT] = {}

    async def keep(self, key: str, document: DocT) -> None:
        """See `Copies`."""
        self._copies[key] = document

    async def get(self, key: str) -> DocT | None:
        """See `Copies`."""
        return self._copies.get(key)

    async def remove(self, key: str) -> None:
        """See `Copies`."""
        self._copies.pop(key, None)

    async def all(self) -> dict[str, DocT]:
        """See `Copies`."""
        return dict(self._copies)
