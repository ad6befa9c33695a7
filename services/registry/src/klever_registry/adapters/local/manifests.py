"""Manifests and tags on the local disk: blobs of the layout, named by its index.json."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable

from klever_registry.domain.index import RepositoryIndex, dump, load
from klever_registry.domain.manifests import Manifest, parse_manifest
from kleverkit.durable import make_directory, replace_file

from .layout import Layout

Stamp = tuple[int, int, int]


class LocalManifests:
    """See `ManifestStore`. One writer per repository at a time; readers take the last index that is complete."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._cache: dict[str, tuple[Stamp, RepositoryIndex]] = {}

    async def index(self, repository: str) -> RepositoryIndex | None:
        """See `ManifestStore`."""
        return await asyncio.to_thread(self._load, repository)

    async def get(self, repository: str, reference: str) -> Manifest | None:
        """See `ManifestStore`."""
        return await asyncio.to_thread(self._get, repository, reference)

    async def put(self, repository: str, manifest: Manifest, tag: str | None) -> None:
        """See `ManifestStore`."""
        await asyncio.to_thread(self._put, repository, manifest, tag)

    async def delete_tag(self, repository: str, tag: str) -> bool:
        """See `ManifestStore`."""
        before = await asyncio.to_thread(self._change, repository, lambda index: index.without_tag(tag))
        return tag in before.tags

    async def delete(self, repository: str, digest: str) -> list[str] | None:
        """See `ManifestStore`."""
        return await asyncio.to_thread(self._delete, repository, digest)

    async def repositories(self) -> list[str]:
        """See `ManifestStore`."""
        return await asyncio.to_thread(self._layout.repositories)

    def _get(self, repository: str, reference: str) -> Manifest | None:
        index = self._load(repository)
        digest = index.resolve(reference) if index else None
        if index is None or digest is None:
            return None
        try:
            content = self._layout.blob(repository, digest).read_bytes()
        except FileNotFoundError:  # deleted after the index was read
            return None
        return parse_manifest(content, digest, index.manifests[digest].media_type)

    def _put(self, repository: str, manifest: Manifest, tag: str | None) -> None:
        with self._locks[repository]:  # or a deletion of the same manifest could take the blob from under the index
            self._layout.write(repository, manifest.digest, manifest.content)
            self._write(repository, lambda index: index.with_manifest(manifest, tag))

    def _delete(self, repository: str, digest: str) -> list[str] | None:
        with self._locks[repository]:
            before = self._write(repository, lambda index: index.without_manifest(digest))
            if digest not in before.manifests:
                return None
            self._layout.remove(repository, digest)
            return before.tags_of(digest)

    def _change(self, repository: str, change: Callable[[RepositoryIndex], RepositoryIndex]) -> RepositoryIndex:
        with self._locks[repository]:
            return self._write(repository, change)

    def _write(self, repository: str, change: Callable[[RepositoryIndex], RepositoryIndex]) -> RepositoryIndex:
        """Replace the index by a changed one; return the former. The caller holds the lock."""
        before = self._load(repository) or RepositoryIndex()
        after = change(before)
        if after != before:
            path = self._layout.index(repository)
            make_directory(path.parent)
            replace_file(path, dump(after))
        return before

    def _load(self, repository: str) -> RepositoryIndex | None:
        """The index, parsed once per state of its file."""
        path = self._layout.index(repository)
        try:
            status = path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
            known = self._cache.get(repository)
            if known is not None and known[0] == stamp:
                return known[1]
            index = load(path.read_bytes())
        except FileNotFoundError:
            return None
        self._cache[repository] = (stamp, index)
        return index
