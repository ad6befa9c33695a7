"""Locks between the threads and processes that share a data directory.

They are the kernel's (flock), so that a killed process leaves none behind. Each name has one of a fixed number of
files: two names with the same file only wait for each other.
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
        directory: in the data directory. Who holds one of its locks must not ask for another.
        files: how many; as many locks can be held at a time.
    """

    def __init__(self, directory: Path, *, files: int = FILES) -> None:
        self._directory = directory
        self._files = files
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        with suppress(OSError):  # a disk that takes nothing is seen by who writes
            make_directory(directory)
            for number in range(files):
                os.close(_open(self._file(number)))

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Nobody else holds the lock of this name while the block runs. Blocking: call it from a thread."""
        descriptor = _open(self._path(name))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def held_if_possible(self, name: str) -> Iterator[None]:
        """As `held`; without a lock on a disk that takes no lock file: nothing can be removed from it either."""
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
        """See `Locks`. Tasks of this process wait for each other, and one of them for other processes."""
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
    """Wait for the lock of an open file; without a thread, which those that hold it may need."""
    while not try_lock_file(descriptor):  # noqa: ASYNC110 - the kernel announces nothing
        await asyncio.sleep(POLL_SECONDS)


def try_lock_file(descriptor: int) -> bool:
    """Lock an open file, unless somebody has locked it by another one; closing the file releases the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    """Open a lock file. A read-only file system has locks too, where it has the file."""
    if not path.parent.is_dir():
        make_directory(path.parent)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        if refusal(error) is None or not path.exists():
            raise
        return os.open(path, os.O_RDONLY)
