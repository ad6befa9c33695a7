"""Caches the digests of unchanged files, so that pushing a model again reads little."""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .digest import digest_bytes, digest_file, hexadecimal

DIRECTORY = "digests"
"""Name of the directory of the cache, below ormb's root."""
WORTH_KEEPING = 1024 * 1024
"""Minimum size in bytes of files whose digest is cached. Smaller files are hashed faster than looked up."""
SETTLED = 2.0
"""Seconds since the last change of a file before its digest is cached.

Two changes within one tick of the file system's clock look like one.
"""


class KnownDigests:
    """Digests of the files of one directory, as computed by earlier processes.

    A file is unchanged if its size, its inode, and its times of change of content and metadata are the same.

    Args:
        store: contains a document for each directory; created on first use.
        directory: the model directory.
        clock: seconds since 1970.
    """

    def __init__(self, store: Path, directory: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._directory = directory.resolve()
        self._document = store / f"{hexadecimal(digest_bytes(os.fsencode(self._directory)))}.json"
        self._known = _read(self._document)
        self._seen: dict[str, list[Any]] = {}

    def digest(self, path: Path) -> str:
        """Return the sha256 digest of a file. Raises OSError."""
        before, name = _fingerprint(path), path.relative_to(self._directory).as_posix()
        entry = self._known.get(name)
        if entry and entry[:-1] == before:
            digest = str(entry[-1])
        else:
            began = self._clock()
            digest = digest_file(path)
            if max(before[2:]) / 1e9 > began - SETTLED:
                return digest
        if before[0] >= WORTH_KEEPING:
            self._seen[name] = [*before, digest]
        return digest

    def keep(self) -> None:
        """Store the digests for later processes. Failure is not an error."""
        if self._seen == self._known:
            return
        new = self._document.with_suffix(f".{os.getpid()}.new")
        with suppress(OSError):
            new.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps({"directory": str(self._directory), "files": self._seen}))
            new.replace(self._document)


def forget_vanished(store: Path) -> int:
    """Remove the entries of directories that no longer exist. Returns the number of bytes freed."""
    freed = 0
    for path in store.glob("*"):
        if not _directory_of(path).is_dir():
            freed += path.stat().st_size
            path.unlink(missing_ok=True)
    return freed


def _fingerprint(path: Path) -> list[Any]:
    status = path.stat()
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def _read(document: Path) -> dict[str, list[Any]]:
    try:
        files = json.loads(document.read_text())["files"]
        return {str(name): list(entry) for name, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _directory_of(document: Path) -> Path:
    try:
        return Path(json.loads(document.read_text())["directory"])
    except (OSError, ValueError, KeyError, TypeError):
        return document / "nowhere"
