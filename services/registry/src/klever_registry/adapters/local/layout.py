"""Where things lie on disk.

    <root>/pool/sha256/<hex>                              every blob once
    <root>/repositories/library/iris/_oci/                an OCI image layout; its blobs are hard links into the pool
    <root>/repositories/library/iris/_uploads/<id>        blobs on their way in

Names of repositories have no part that begins with `_`, so ours cannot meet theirs. A blob whose only name is the
pool's belongs to no repository any more and is removed with its last one.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from klever_registry.domain.names import algorithm, hexadecimal
from kleverkit.durable import make_directory, replace_file, sync_directory, sync_file, write_new

LAYOUT_DIRECTORY = "_oci"
UPLOADS_DIRECTORY = "_uploads"
LAYOUT_FILE = b'{"imageLayoutVersion":"1.0.0"}'
LINK_ATTEMPTS = 10
"""A blob may leave the pool between two of our steps; that it does so ten times in a row is no coincidence."""


class Layout:
    """Paths, and the steps that make a blob part of a repository. Blocking: call it from a thread."""

    def __init__(self, root: Path) -> None:
        self._pool = root / "pool"
        self._repositories = root / "repositories"
        self._uses = threading.Lock()
        """Held for using a blob and for removing one that is not used: never one in the midst of the other."""

    def layout(self, repository: str) -> Path:
        """The OCI image layout of a repository."""
        return self._repositories / repository / LAYOUT_DIRECTORY

    def index(self, repository: str) -> Path:
        """The index.json of a repository."""
        return self.layout(repository) / "index.json"

    def blob(self, repository: str, digest: str) -> Path:
        """A blob of a repository."""
        return self.layout(repository) / "blobs" / algorithm(digest) / hexadecimal(digest)

    def uploads(self, repository: str) -> Path:
        """The directory of a repository's uploads."""
        return self._repositories / repository / UPLOADS_DIRECTORY

    def repositories(self) -> list[str]:
        """Every repository that has an index, sorted."""
        found = (Path(folder) for folder, _, files in self._walk(LAYOUT_DIRECTORY) if "index.json" in files)
        return sorted(str(path.parent.relative_to(self._repositories)) for path in found)

    def inhabited(self) -> list[str]:
        """Every repository that has a layout, with an index or not, sorted."""
        paths = (Path(folder).parent for folder, _, _ in self._walk(LAYOUT_DIRECTORY))
        return sorted(str(path.relative_to(self._repositories)) for path in paths)

    def blobs(self, repository: str) -> list[Path]:
        """The blobs of a repository: <algorithm>/<hexadecimal>."""
        return list((self.layout(repository) / "blobs").glob("*/*"))

    def orphans(self) -> list[Path]:
        """What only the pool has."""
        return [path for path in self._pool.glob("*/*") if _links(path) == 1]

    def use(self, repository: str, digest: str) -> int | None:
        """The size of a blob that is wanted now; None where the repository has it not."""
        path = self.blob(repository, digest)
        with self._uses, suppress(FileNotFoundError):
            os.utime(path)
            return path.stat().st_size
        return None

    def remove_unused(self, path: Path, *, before: datetime) -> bool:
        """Remove a blob unless it was used since."""
        with self._uses, suppress(FileNotFoundError):
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
                return True
        return False

    def stale_uploads(self, older_than: timedelta) -> list[Path]:
        """Uploads to which nothing was added for so long."""
        limit = time.time() - older_than.total_seconds()
        paths = [Path(folder) / name for folder, _, names in self._walk(UPLOADS_DIRECTORY) for name in names]
        return [path for path in paths if path.stat().st_mtime < limit]

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
        pooled = self._pooled(digest)
        make_directory(pooled.parent)
        for _ in range(LINK_ATTEMPTS):
            with suppress(FileExistsError):
                os.link(file, pooled)
            with suppress(FileNotFoundError):
                self._link(repository, digest, pooled)
                break
        else:
            raise OSError(f"{pooled} keeps disappearing: is another program deleting files below {self._pool}?")
        file.unlink()

    def write(self, repository: str, digest: str, content: bytes) -> None:
        """Make bytes a blob of the repository."""
        if self.use(repository, digest) is None:
            self.prepare(repository)
            self.adopt(repository, digest, write_new(self.uploads(repository), content))

    def mount(self, repository: str, digest: str, source: str) -> bool:
        """Give a repository a blob of another one; False where that has it not."""
        self.prepare(repository)
        try:
            self._link(repository, digest, self.blob(source, digest))
        except FileNotFoundError:
            return False
        return True

    def remove(self, repository: str, digest: str) -> bool:
        """Take a blob from a repository, and from the pool if it was the last; False where it is not there."""
        path = self.blob(repository, digest)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        sync_directory(path.parent)
        pooled = self._pooled(digest)
        with suppress(FileNotFoundError):
            # A push may link the file between the two calls: its link keeps the bytes, only the pool forgets them.
            if pooled.stat().st_nlink == 1:
                pooled.unlink()
        return True

    def _link(self, repository: str, digest: str, source: Path) -> None:
        target = self.blob(repository, digest)
        make_directory(target.parent)
        with self._uses:
            with suppress(FileExistsError):
                os.link(source, target)
            os.utime(target)
        sync_directory(target.parent)

    def _pooled(self, digest: str) -> Path:
        return self._pool / algorithm(digest) / hexadecimal(digest)

    def _walk(self, wanted: str) -> Iterator[tuple[str, list[str], list[str]]]:
        """Visit the directories of this name, and nothing below or beside them."""
        for folder, folders, files in os.walk(self._repositories):
            if Path(folder).name == wanted:
                folders.clear()
                yield folder, folders, files
            else:
                folders[:] = [name for name in folders if name == wanted or not name.startswith("_")]


def _links(path: Path) -> int:
    try:
        return path.stat().st_nlink
    except FileNotFoundError:
        return 0
