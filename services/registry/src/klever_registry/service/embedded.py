"""The embedded registry as a source of manifests for the announcer."""

from klever_registry.domain.manifests import Manifest
from klever_registry.ports import BlobStore, ManifestStore


class Embedded:
    """See `ManifestSource`."""

    def __init__(self, manifests: ManifestStore, blobs: BlobStore) -> None:
        self._manifests = manifests
        self._blobs = blobs

    async def get(self, repository: str, reference: str) -> Manifest | None:
        """See `ManifestSource`."""
        return await self._manifests.get(repository, reference)

    async def is_deleted(self, repository: str, tag: str) -> bool:
        """See `ManifestSource`. A missing tag without a deletion was lost."""
        index = await self._manifests.index(repository)
        return index is not None and tag in index.deleted

    async def start_of_blob(self, repository: str, digest: str, size: int) -> bytes:
        """See `ManifestSource`."""
        if (whole := await self._blobs.size(repository, digest)) is None:
            return b""
        pieces = self._blobs.read(repository, digest, start=0, stop=min(size, whole))
        return b"".join([piece async for piece in pieces])

    async def config(self, repository: str, digest: str, size: int) -> bytes | None:
        """See `ManifestSource`. The digest was verified at the upload."""
        if await self._blobs.size(repository, digest) != size:
            return None
        return b"".join([piece async for piece in self._blobs.read(repository, digest, start=0, stop=size)])
