"""The layout of the data directory.

    <root>/pool/sha256/<hex>                              every blob once
    <root>/repositories/library/iris/_oci/                an OCI image layout; its blobs are hard links into the pool
    <root>/repositories/library/iris/_uploads/<id>        open uploads

No part of a repository's name begins with `_`, so that the names cannot collide. A blob is linked in its repository
before it is linked in the pool, and removed in reverse order: a blob that only the pool has was lost by its repository,
and is kept for a manual restoration.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from pathlib import Path

from klever_registry.domain.names import algorithm, hexadecimal
from kleverkit.durable import make_directory, replace_file, sync_directory, sync_file, write_new
from ormb.space import refusal

from .disk import Disk
from .locks import LocalLocks

LAYOUT_DIRECTORY = "_oci"
UPLOADS_DIRECTORY = "_uploads"
LAYOUT_FILE = b'{"imageLayoutVersion":"1.0.0"}'
INDEX_FILE = "index.json"
LAST = 2
"""Number of links of a blob in the pool and in a single repository."""
USES = "uses of blobs"
"""Name of the lock for uses and removals of blobs."""
INDEXED = "_indexed"
"""Marker of a repository that has an index.json. If the marker exists without it, the index.json was lost."""


class Layout:
    """Paths, and changes of blobs. All methods block: call them from a thread."""

    def __init__(self, root: Path) -> None:
        self.disk = Disk(root)
        self._pool = root / "pool"
        self._repositories = root / "repositories"
        self.indexes = LocalLocks(root / "locks" / "indexes")
        """Locks for changes of the index of a repository."""
        self._users = LocalLocks(root / "locks" / "uses", files=1)

    def layout(self, repository: str) -> Path:
        """Return the path of a repository's OCI image layout."""
        return self._repositories / repository / LAYOUT_DIRECTORY

    def index(self, repository: str) -> Path:
        """Return the path of a repository's index.json."""
        return self.layout(repository) / INDEX_FILE

    def indexed(self, repository: str) -> Path:
        """Return the path of a repository's marker `INDEXED`."""
        return self.layout(repository) / INDEXED

    def blob(self, repository: str, digest: str) -> Path:
        """Return the path of a blob."""
        return self.layout(repository) / "blobs" / algorithm(digest) / hexadecimal(digest)

    def uploads(self, repository: str) -> Path:
        """Return the directory of a repository's uploads."""
        return self._repositories / repository / UPLOADS_DIRECTORY

    def repositories(self) -> list[str]:
        """Return all repositories that have an index or have lost it, sorted."""
        paths = (Path(folder) for folder, _, files in self._walk(LAYOUT_DIRECTORY) if {INDEX_FILE, INDEXED} & {*files})
        return sorted(str(path.parent.relative_to(self._repositories)) for path in paths)

    def repositories_with_layout(self) -> list[str]:
        """Return all repositories that have a layout, with or without an index, sorted."""
        paths = (Path(folder).parent for folder, _, _ in self._walk(LAYOUT_DIRECTORY))
        return sorted(str(path.relative_to(self._repositories)) for path in paths)

    def blobs(self, repository: str) -> list[Path]:
        """Return the paths of a repository's blobs: <algorithm>/<hexadecimal>."""
        return list((self.layout(repository) / "blobs").glob("*/*"))

    def use(self, repository: str, digest: str) -> int | None:
        """Record a use of a blob and return its size; None if the repository does not have it."""
        path = self.blob(repository, digest)
        with self._users.held_if_possible(USES), suppress(FileNotFoundError):
            _touch(path)
            return path.stat().st_size
        return None

    def remove_unused(self, repository: str, digest: str, *, before: datetime) -> bool:
        """Remove a blob like `remove`, if its last use is before this time."""
        with self._uses():
            return is_older(self.blob(repository, digest), before) and self._unlink(repository, digest)

    def stale_uploads(self, before: datetime) -> list[Path]:
        """Return the uploads without new bytes since then."""
        paths = [Path(folder) / name for folder, _, names in self._walk(UPLOADS_DIRECTORY) for name in names]
        return [path for path in paths if is_older(path, before)]

    def uploads_of(self, project: str) -> list[Path]:
        """Return the uploads of a project."""
        return [Path(folder) / name for folder, _, names in self._walk(UPLOADS_DIRECTORY, project) for name in names]

    def used(self, project: str) -> int:
        """Return the bytes of a project. Blobs in several of its repositories count once."""
        blobs = {
            path.name: path
            for folder, _, _ in self._walk(LAYOUT_DIRECTORY, project)
            for path in (Path(folder) / "blobs").glob("*/*")
        }
        return sum(map(_size, (*blobs.values(), *self.uploads_of(project))))

    def prepare(self, repository: str) -> None:
        """Create the layout of a repository, unless it exists."""
        marker = self.layout(repository) / "oci-layout"
        if not marker.exists():
            make_directory(marker.parent)
            replace_file(marker, LAYOUT_FILE)
        make_directory(self.uploads(repository))

    def adopt(self, repository: str, digest: str, file: Path) -> None:
        """Move a verified file into the repository, as a blob."""
        sync_file(file)
        target, pooled = self.blob(repository, digest), self._pooled(digest)
        make_directory(target.parent)
        make_directory(pooled.parent)
        with self._uses():
            with suppress(FileExistsError):
                os.link(pooled if pooled.exists() else file, target)
            with suppress(FileExistsError):
                os.link(target, pooled)
            os.utime(target)
            file.unlink()
        sync_directory(target.parent)
        sync_directory(pooled.parent)

    def write(self, repository: str, digest: str, content: bytes) -> None:
        """Store bytes as a blob of the repository."""
        if self.use(repository, digest) is None:
            self.prepare(repository)
            self.adopt(repository, digest, write_new(self.uploads(repository), content))

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Add a blob of another repository. Returns False if that one does not have it."""
        self.prepare(repository)
        target = self.blob(repository, digest)
        make_directory(target.parent)
        try:
            with self._uses():
                with suppress(FileExistsError):
                    os.link(self.blob(source, digest), target)
                os.utime(target)
        except FileNotFoundError:
            return False
        sync_directory(target.parent)
        return True

    def remove(self, repository: str, digest: str) -> bool:
        """Remove a blob from a repository, and from the pool if it was the last. Returns False if it did not exist."""
        with self._uses():
            is_removed = self._unlink(repository, digest)
        if is_removed:
            sync_directory(self.blob(repository, digest).parent)
        return is_removed

    def _uses(self) -> AbstractContextManager[None]:
        """Return the lock for uses of blobs and removals of unused blobs, which must not overlap."""
        return self._users.held(USES)

    def _unlink(self, repository: str, digest: str) -> bool:
        path, pooled = self.blob(repository, digest), self._pooled(digest)
        with suppress(FileNotFoundError):
            if path.stat().st_nlink == LAST and pooled.samefile(path):
                pooled.unlink()
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def _pooled(self, digest: str) -> Path:
        return self._pool / algorithm(digest) / hexadecimal(digest)

    def _walk(self, directory: str, project: str = "") -> Iterator[tuple[str, list[str], list[str]]]:
        """Visit the directories with this name, optionally of one project, but not their subdirectories."""
        for folder, folders, files in os.walk(self._repositories / project):
            if Path(folder).name == directory:
                folders.clear()
                yield folder, folders, files
            else:
                folders[:] = [name for name in folders if name == directory or not name.startswith("_")]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # deleted meanwhile
        return 0


def is_older(path: Path, limit: datetime) -> bool:
    """Return whether a file exists and was last used or written before this time."""
    try:
        return path.stat().st_mtime < limit.timestamp()
    except FileNotFoundError:
        return False


def _touch(path: Path) -> None:
    """Record a use. A full or read-only disk cannot, but nothing is collected from it, either."""
    try:
        os.utime(path)
    except OSError as error:
        if refusal(error) is None:
            raise
