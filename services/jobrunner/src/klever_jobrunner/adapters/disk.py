"""The space that jobs have on this machine."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MEBI = 2**20
LEAST_FREE_MB = 64
"""Less than this is free on a disk that is full; on a small disk, a twentieth of it."""


@dataclass(frozen=True)
class Space:
    """A file system, as this user may write to it."""

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
    """Whether there is space for another job.

    Args:
        paths: where jobs write; those that do not exist yet count for the directory that they will be in.
        look: looks at the file system of an existing path.
    """

    def __init__(self, paths: Sequence[Path], look: Callable[[Path], Space] = _space) -> None:
        self._paths = paths
        self._look = look

    def shortage(self) -> str | None:
        """What is missing, as a sentence; None where there is space."""
        for path in self._paths:
            space = self._look(_existing(path))
            least = min(LEAST_FREE_MB * MEBI, space.total // 20)
            if space.is_read_only:
                return f"the file system of {path} is read-only: mount it writable, and jobs resume by themselves"
            if space.free < least:
                return (
                    f"the disk of {path} is full: {space.free / MEBI:.1f} MB are free, and no job begins with less "
                    f"than {least / MEBI:.1f} MB; remove something, and jobs resume by themselves"
                )
        return None

    async def check(self) -> str | None:
        """A readiness check."""
        return self.shortage()


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.absolute().parents) if each.exists())
