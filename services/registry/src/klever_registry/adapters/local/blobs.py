"""Blobs on the local disk."""

from collections.abc import AsyncGenerator

from klever_registry.errors import BlobUnknownError

from .layout import Layout

PIECE = 1024 * 1024
"""Bytes per read. Each read is one call in a thread."""


class LocalBlobs:
    """See `BlobStore`."""

    def __init__(self, layout: Layout) -> None:
        self._layout, self._disk = layout, layout.disk

    async def size(self, repository: str, digest: str) -> int | None:
        """See `BlobStore`."""
        return await self._disk.read(self._layout.use, repository, digest)

    async def read(self, repository: str, digest: str, *, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """See `BlobStore`."""
        try:
            file = await self._disk.read(self._layout.blob(repository, digest).open, "rb", 0)
        except FileNotFoundError as error:
            raise BlobUnknownError(f"{repository} has no blob {digest}", detail={"digest": digest}) from error
        try:
            await self._disk.read(file.seek, start)
            remaining = stop - start
            while remaining and (piece := await self._disk.read(file.read, min(PIECE, remaining))):
                remaining -= len(piece)
                yield piece
        finally:
            file.close()  # does not block, because nothing was written

    async def put(self, repository: str, digest: str, content: bytes) -> None:
        """See `BlobStore`."""
        await self._disk.write(self._layout.write, repository, digest, content)

    async def mount(self, repository: str, digest: str, *, source: str) -> bool:
        """See `BlobStore`."""
        return await self._disk.write(self._layout.mount, repository, digest, source)

    async def delete(self, repository: str, digest: str) -> None:
        """See `BlobStore`."""
        if not await self._disk.write(self._layout.remove, repository, digest):
            raise BlobUnknownError(f"{repository} has no blob {digest}", detail={"digest": digest})
