"""Manifests and tags on the local disk: blobs of the layout, listed in its index.json."""

from collections.abc import Callable

from klever_registry.domain.index import RepositoryIndex, dump, load
from klever_registry.domain.manifests import Manifest, parse_manifest
from klever_registry.errors import ManifestInvalidError, StorageLostError
from kleverkit.durable import make_directory, replace_file

from .layout import Layout

Stamp = tuple[int, int, int]
RESTORE = "restore the registry's data directory from a backup"
DAMAGED = (OSError, ValueError, KeyError, TypeError, AttributeError)


class LocalManifests:
    """See `ManifestStore`. All processes together have one writer per repository. Readers get the last complete index.

    Unreadable or lost content raises StorageLostError, and is never treated as absent.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout, self._disk = layout, layout.disk
        self._cache: dict[str, tuple[Stamp, RepositoryIndex]] = {}

    async def index(self, repository: str) -> RepositoryIndex | None:
        """See `ManifestStore`."""
        return await self._disk.read(self._load, repository)

    async def get(self, repository: str, reference: str) -> Manifest | None:
        """See `ManifestStore`."""
        return await self._disk.read(self._get, repository, reference)

    async def put(self, repository: str, manifest: Manifest, tag: str | None) -> None:
        """See `ManifestStore`."""
        await self._disk.write(self._put, repository, manifest, tag)

    async def delete_tag(self, repository: str, tag: str) -> bool:
        """See `ManifestStore`."""
        before = await self._disk.write(self._change, repository, lambda index: index.without_tag(tag))
        return tag in before.tags

    async def delete_version(self, repository: str, tag: str, digest: str) -> bool:
        """See `ManifestStore`. Garbage collection removes the bytes later."""

        def change(index: RepositoryIndex) -> RepositoryIndex:
            return index.without_version(tag) if index.tags.get(tag) == digest else index

        before = await self._disk.write(self._change, repository, change)
        return before.tags.get(tag) == digest

    async def delete(self, repository: str, digest: str) -> list[str] | None:
        """See `ManifestStore`."""
        return await self._disk.write(self._delete, repository, digest)

    async def repositories(self) -> list[str]:
        """See `ManifestStore`."""
        return await self._disk.read(self._layout.repositories)

    def _get(self, repository: str, reference: str) -> Manifest | None:
        index = self._load(repository)
        digest = index.resolve(reference) if index else None
        if index is None or digest is None:
            return None
        try:
            content = self._layout.blob(repository, digest).read_bytes()
            return parse_manifest(content, digest, index.manifests[digest].media_type)
        except FileNotFoundError as error:
            now = self._load(repository)
            if now is None or digest not in now.manifests:  # deleted after the index was read
                return None
            raise StorageLostError(f"{repository} has lost its manifest {digest}: {RESTORE}") from error
        except ManifestInvalidError as error:
            raise StorageLostError(f"the manifest {digest} of {repository} is damaged: {RESTORE}") from error

    def _put(self, repository: str, manifest: Manifest, tag: str | None) -> None:
        # Without the lock, a concurrent deletion of the same manifest could remove its blob.
        with self._layout.indexes.held(repository):
            self._layout.write(repository, manifest.digest, manifest.content)
            self._write(repository, lambda index: index.with_manifest(manifest, tag))

    def _delete(self, repository: str, digest: str) -> list[str] | None:
        with self._layout.indexes.held(repository):
            before = self._write(repository, lambda index: index.without_manifest(digest))
            if digest not in before.manifests:
                return None
            self._layout.remove(repository, digest)
            return before.tags_of(digest)

    def _change(self, repository: str, change: Callable[[RepositoryIndex], RepositoryIndex]) -> RepositoryIndex:
        with self._layout.indexes.held(repository):
            return self._write(repository, change)

    def _write(self, repository: str, change: Callable[[RepositoryIndex], RepositoryIndex]) -> RepositoryIndex:
        """Replace the index by a changed one, and return the previous one. The caller must hold the lock."""
        before = self._load(repository) or RepositoryIndex()
        after = change(before)
        if after != before:
            path, marker = self._layout.index(repository), self._layout.indexed(repository)
            make_directory(path.parent)
            replace_file(path, dump(after))
            if not marker.exists():
                replace_file(marker, b"")
        return before

    def _load(self, repository: str) -> RepositoryIndex | None:
        """Return the index. It is parsed again only if the file has changed."""
        path = self._layout.index(repository)
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._cache.get(repository)
            if known is not None and known[0] == stamp:
                return known[1]
            index = load(path.read_bytes())
        except FileNotFoundError as error:
            if self._layout.indexed(repository).exists():
                raise StorageLostError(f"{repository} has lost its index.json: {RESTORE}") from error
            return None
        except DAMAGED as error:
            raise StorageLostError(f"the index.json of {repository} cannot be read ({error}): {RESTORE}") from error
        self._cache[repository] = (stamp, index)
        return index
