"""Checks the disk space for jobs on this machine."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MEBI = 2**20
LEAST_FREE_MB = 64
"""A disk counts as full if less than this is free; on a small disk, if less than a twentieth is free."""


@dataclass(frozen=True)
class Space:
    """The size of a file system, and the space that this user may use."""

    total: int
    """Bytes."""
    free: int
    """Bytes."""
    is_read_only: bool = False


def _space(path: Path) -> Space:
    space = os.statvfs(path)
    return Space(
        total=space.f_blocks * space.f_frsize,
        free=space.f_bavail * space.f_frsize,
        is_read_only=bool(space.f_flag & os.ST_RDONLY),
    )


class Disk:
    """Checks whether there is space for another job.

    Args:
        paths: the paths to which jobs write; for a missing one, the nearest existing parent directory is checked.
        look: reads the file system of an existing path.
    """

    def __init__(self, paths: Sequence[Path], look: Callable[[Path], Space] = _space) -> None:
        self._paths = paths
        self._look = look

    def shortage(self) -> str | None:
        """The reason why no job can start, as a sentence; None if there is space."""
        for path in self._paths:
            space = self._look(_existing(path))
            least = min(LEAST_FREE_MB * MEBI, space.total // 20)
            if space.is_read_only:
                return f"the file system of {path} is read-only: mount it writable; jobs then resume automatically"
            if space.free < least:
                return (
                    f"the disk of {path} is full: {space.free / MEBI:.1f} MB are free, and no job starts with less "
                    f"than {least / MEBI:.1f} MB: free disk space; jobs then resume automatically"
                )
        return None

    async def check(self) -> str | None:
        """Readiness check: the reason why no job can start, or None."""
        return self.shortage()


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.absolute().parents) if each.exists())
