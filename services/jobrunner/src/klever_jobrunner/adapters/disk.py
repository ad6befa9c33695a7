"""The space that jobs have on this machine."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

MEBI = 2**20
LEAST_FREE_MB = 64
"""Less than this is free on a disk that is full; on a small disk, a twentieth of it."""

Free = Callable[[Path], tuple[int, int]]
"""Bytes in all and bytes free on the disk of an existing path."""


def _disk_usage(path: Path) -> tuple[int, int]:
    usage = shutil.disk_usage(path)
    return usage.total, usage.free


class Disk:
    """Whether there is space for another job.

    Args:
        paths: where jobs write; those that do not exist yet count for the directory that they will be in.
        free: looks at a disk.
    """

    def __init__(self, paths: Sequence[Path], free: Free = _disk_usage) -> None:
        self._paths = paths
        self._free = free

    def lack(self) -> str | None:
        """What is missing, as a sentence; None where there is space."""
        for path in self._paths:
            total, free = self._free(_existing(path))
            least = min(LEAST_FREE_MB * MEBI, total // 20)
            if free < least:
                return (
                    f"the disk of {path} is full: {free // MEBI} MB are free, and no job begins with less than "
                    f"{least // MEBI} MB; remove something, and jobs resume by themselves"
                )
        return None

    async def check(self) -> str | None:
        """A readiness check."""
        return self.lack()


def _existing(path: Path) -> Path:
    return next(each for each in (path, *path.absolute().parents) if each.exists())
