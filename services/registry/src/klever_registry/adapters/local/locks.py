"""Locks between threads and processes that share a data directory.

They are locks of the kernel (flock), which releases them when a process is killed. Names are mapped to a fixed number
of files: two names with the same file wait for each other.
"""

import asyncio
import fcntl
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from zlib import crc32

from kleverkit.durable import make_directory
from ormb.space import refusal

FILES = 64
POLL_SECONDS = 0.01


class LocalLocks:
    """See `klever_registry.ports.Locks`.

    Args:
        directory: a directory in the data directory. A holder of one of its locks must not request another one.
        files: number of files, and of locks that can be held at a time.
    """

    def __init__(self, directory: Path, *, files: int = FILES) -> None:
        self._directory = directory
        self._files = files
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        with suppress(OSError):  # writers report a full or read-only disk
            make_directory(directory)
            for number in range(files):
                os.close(_open(self._file(number)))

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold the lock with this name in the context. Blocks: call it from a thread."""
        descriptor = _open(self._path(name))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def held_if_possible(self, name: str) -> Iterator[None]:
        """Like `held`, but without a lock on a full or read-only disk, from which nothing can be removed."""
        try:
            os.close(_open(self._path(name)))
        except OSError as error:
            if refusal(error) is None:
                raise
            yield
            return
        with self.held(name):
            yield

    @asynccontextmanager
    async def exclusive(self, name: str) -> AsyncIterator[None]:
        """See `Locks`. Tasks of this process wait for each other, and only one of them for other processes."""
        async with self._turns[name]:
            descriptor = _open(self._path(name))
            try:
                await lock_file(descriptor)
                yield
            finally:
                os.close(descriptor)

    def _path(self, name: str) -> Path:
        return self._file(crc32(name.encode()) % self._files)

    def _file(self, number: int) -> Path:
        return self._directory / f"lock-{number:02d}"


async def lock_file(descriptor: int) -> None:
    """Wait for the lock of an open file. Does not occupy a thread, which the holder of the lock may need."""
    while not try_lock_file(descriptor):  # noqa: ASYNC110 - the kernel sends no notification
        await asyncio.sleep(POLL_SECONDS)


def try_lock_file(descriptor: int) -> bool:
    """Lock an open file, unless it is locked. Closing the file releases the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    """Open a lock file. On a read-only file system, an existing file can be locked, too."""
    if not path.parent.is_dir():
        make_directory(path.parent)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if refusal(error) is None or not path.exists():
            raise
        return os.open(path, os.O_RDONLY)
