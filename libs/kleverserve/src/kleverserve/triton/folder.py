"""A temporary directory for one run of Triton, and the removal of directories that killed launchers left."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "klever-triton-"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  # where Linux keeps it; we choose the prefix of Triton's segments
NEW_SECONDS = 60
"""A directory younger than this may not be locked yet."""


@contextmanager
def run_folder(root: Path | None = None, shared_memory: Path = SHARED_MEMORY) -> Iterator[Path]:
    """Yield a new directory below `root`, which is removed at the end. Its name prefixes names in shared memory.

    It is locked while this process runs, so that the next launcher detects directories of killed ones.
    """
    root = root or Path(tempfile.gettempdir())
    remove_leftovers(root, shared_memory)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        _remove(folder, shared_memory)
        os.close(lock)


def remove_leftovers(root: Path, shared_memory: Path) -> None:
    """Remove the directories and shared memory of killed launchers."""
    for folder in root.glob(f"{PREFIX}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # owned by another user, or just removed
            continue
        try:
            if time.time() - os.fstat(lock).st_mtime > NEW_SECONDS:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder, shared_memory)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def _remove(folder: Path, shared_memory: Path) -> None:
    for segment in shared_memory.glob(f"{folder.name}-*"):
        segment.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
