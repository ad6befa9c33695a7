"""The file system of the data directory: blocking calls in threads, and a check whether it is writable."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from klever_registry.errors import StorageFullError, StorageLostError
from kleverkit.durable import write_new
from modelformats.threads import in_thread
from ormb.space import refusal

ResultT = TypeVar("ResultT")
ParamsT = ParamSpec("ParamsT")

PROBE = bytes(64 * 1024)
"""Content that is written to check whether a full disk has space again."""


class Disk:
    """Runs calls that read or write the data directory.

    If the directory is replaced while the service runs, for example because its volume is unmounted, all calls fail:
    missing files would look deleted, and written files would be hidden once the volume is mounted again.

    Args:
        root: the data directory.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._identity = _identity(root)
        self._refused: str | None = None

    async def read(self, call: Callable[ParamsT, ResultT], *args: ParamsT.args, **kwargs: ParamsT.kwargs) -> ResultT:
        """Run a blocking call that only reads. Raises StorageLostError, and what the call raises."""
        return await in_thread(self._checked, partial(call, *args, **kwargs))

    async def write(self, call: Callable[ParamsT, ResultT], *args: ParamsT.args, **kwargs: ParamsT.kwargs) -> ResultT:
        """Run a blocking call that writes. Raises StorageFullError, StorageLostError, and what the call raises."""
        try:
            return await in_thread(self._checked, partial(call, *args, **kwargs))
        except OSError as error:
            reason = refusal(error)
            if reason is None:
                raise
            self._refused = reason
            raise StorageFullError(
                f"the registry cannot store this: {reason} at {self._root}. The operator must free space there; "
                "then push again"
            ) from error

    async def free_bytes(self) -> int:
        """Return the free space. Raises StorageLostError."""
        return await self.read(self._free_bytes)

    def _free_bytes(self) -> int:
        space = os.statvfs(self._root)
        return space.f_bavail * space.f_frsize

    async def problem(self, min_free_bytes: int) -> str | None:
        """Return a sentence with the problem while nothing can be pushed, or None.

        Args:
            min_free_bytes: free space below which the disk counts as full.
        """
        return await in_thread(self._problem, min_free_bytes)

    def _problem(self, min_free_bytes: int) -> str | None:
        try:
            self._checked(int)
            space = os.statvfs(self._root)
            free = space.f_bavail * space.f_frsize
            if space.f_flag & os.ST_RDONLY:
                return f"the file system of {self._root} is read-only: mount it writable"
            if free < min_free_bytes:
                return (
                    f"{self._root} has {free} bytes left, fewer than {min_free_bytes}: free space, or pushes will fail"
                )
            if self._refused is not None:
                write_new(self._root, PROBE).unlink()
                self._refused = None
        except StorageLostError as error:
            return str(error)
        except OSError as error:
            return f"{self._root} cannot be written, {refusal(error) or error}: pushes fail until that is corrected"
        return None

    def _checked(self, call: Callable[[], ResultT]) -> ResultT:
        if _identity(self._root) != self._identity:
            raise StorageLostError(
                f"{self._root} was replaced while the registry was running: mount the original directory again"
            )
        return call()


def _identity(root: Path) -> tuple[int, int] | None:
    try:
        status = root.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
