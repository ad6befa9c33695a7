"""Where things lie on disk.

    <root>/pool/sha256/<hex>                              every blob once
    <root>/repositories/library/iris/_oci/                an OCI image layout; its blobs are hard links into the pool
    <root>/repositories/library/iris/_uploads/<id>        blobs on their way in

Names of repositories have no part that begins with `_`, so ours cannot meet theirs. A blob gets its name in a
repository before that in the pool, and loses them the other way round: what only the pool has was lost by its
repository, and is left for people to restore.
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
"""Names of a blob that one repository has, and the pool."""
USES = "uses of blobs"
"""Name of a lock."""
INDEXED = "_indexed"
"""Says that the repository has an index.json: where that is missing all the same, it was lost."""


class Layout:
    """Paths, and the steps that make a blob part of a repository. Blocking: call it from a thread."""

    def __init__(self, root: Path) -> None:
        self.disk = Disk(root)
        self._pool = root / "pool"
        self._repositories = root / "repositories"
        self.indexes = LocalLocks(root / "locks" / "indexes")
        """Held by who changes the index of a repository."""
        self._users = LocalLocks(root / "locks" / "uses", files=1)

    def layout(self, repository: str) -> Path:
        """The OCI image layout of a repository."""
        return self._repositories / repository / LAYOUT_DIRECTORY

    def index(self, repository: str) -> Path:
        """The index.json of a repository."""
        return self.layout(repository) / INDEX_FILE

    def indexed(self, repository: str) -> Path:
        """See `INDEXED`."""
        return self.layout(repository) / INDEXED

    def blob(self, repository: str, digest: str) -> Path:
        """A blob of a repository."""
        return self.layout(repository) / "blobs" / algorithm(digest) / hexadecimal(digest)

    def uploads(self, repository: str) -> Path:
        """The directory of a repository's uploads."""
        return self._repositories / repository / UPLOADS_DIRECTORY

    def repositories(self) -> list[str]:
        """Every repository that has an index, or has lost it, sorted."""
        paths = (Path(folder) for folder, _, files in self._walk(LAYOUT_DIRECTORY) if {INDEX_FILE, INDEXED} & {*files})
        return sorted(str(path.parent.relative_to(self._repositories)) for path in paths)

    def inhabited(self) -> list[str]:
        """Every repository that has a layout, with an index or not, sorted."""
        paths = (Path(folder).parent for folder, _, _ in self._walk(LAYOUT_DIRECTORY))
        return sorted(str(path.relative_to(self._repositories)) for path in paths)

    def blobs(self, repository: str) -> list[Path]:
        """The blobs of a repository: <algorithm>/<hexadecimal>."""
        return list((self.layout(repository) / "blobs").glob("*/*"))

    def use(self, repository: str, digest: str) -> int | None:
        """The size of a blob that is wanted now; None if the repository does not have it."""
        path = self.blob(repository, digest)
        with self._users.held_if_possible(USES), suppress(FileNotFoundError):
            _touch(path)
            return path.stat().st_size
        return None

    def remove_unused(self, repository: str, digest: str, *, before: datetime) -> bool:
        """Remove a blob as `remove` does, unless it was used since."""
        with self._uses():
            return is_older(self.blob(repository, digest), before) and self._unlink(repository, digest)

    def stale_uploads(self, before: datetime) -> list[Path]:
        """Uploads to which nothing was added since."""
        paths = [Path(folder) / name for folder, _, names in self._walk(UPLOADS_DIRECTORY) for name in names]
        return [path for path in paths if is_older(path, before)]

    def uploads_of(self, project: str) -> list[Path]:
        """Every upload of a project."""
        return [Path(folder) / name for folder, _, names in self._walk(UPLOADS_DIRECTORY, project) for name in names]

    def used(self, project: str) -> int:
        """Bytes of a project; what several of its repositories have counts once."""
        blobs = {
            path.name: path
            for folder, _, _ in self._walk(LAYOUT_DIRECTORY, project)
            for path in (Path(folder) / "blobs").glob("*/*")
        }
        return sum(map(_size, (*blobs.values(), *self.uploads_of(project))))

    def prepare(self, repository: str) -> None:
        """Make the layout of a repository exist."""
        marker = self.layout(repository) / "oci-layout"
        if not marker.exists():
            make_directory(marker.parent)
            replace_file(marker, LAYOUT_FILE)
        make_directory(self.uploads(repository))

    def adopt(self, repository: str, digest: str, file: Path) -> None:
        """Make a verified file a blob of the repository; the file itself is used up."""
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
        """Make bytes a blob of the repository."""
        if self.use(repository, digest) is None:
            self.prepare(repository)
            self.adopt(repository, digest, write_new(self.uploads(repository), content))

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Give a repository a blob of another one; False if that repository does not have it."""
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
        """Take a blob from a repository, and from the pool if it was the last; False where it is not there."""
        with self._uses():
            was_there = self._unlink(repository, digest)
        if was_there:
            sync_directory(self.blob(repository, digest).parent)
        return was_there

    def _uses(self) -> AbstractContextManager[None]:
        """Held for using a blob and for removing one that is not used: never one in the midst of the other."""
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

    def _walk(self, wanted: str, project: str = "") -> Iterator[tuple[str, list[str], list[str]]]:
        """Visit the directories of this name, perhaps of one project, and nothing below or beside them."""
        for folder, folders, files in os.walk(self._repositories / project):
            if Path(folder).name == wanted:
                folders.clear()
                yield folder, folders, files
            else:
                folders[:] = [name for name in folders if name == wanted or not name.startswith("_")]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # deleted meanwhile
        return 0


def is_older(path: Path, limit: datetime) -> bool:
    """Whether a file is there and was last used, or written, before that."""
    try:
        return path.stat().st_mtime < limit.timestamp()
    except FileNotFoundError:
        return False


def _touch(path: Path) -> None:
    """Note a use, where the disk takes the note: from one that takes nothing, nothing is collected either."""
    try:
        os.utime(path)
    except OSError as error:
        if refusal(error) is None:
            raise
