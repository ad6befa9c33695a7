"""The wall clock, changed while processes run."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def wall_clock_set(seconds: int, directory: Path) -> Iterator[None]:
    """Show psutil the state after `date --set`: only the boot time moves with the clock.

    Args:
        seconds: added to the boot time.
        directory: to be created, for a procfs that differs only in the boot time.
    """
    real, before = Path("/proc"), psutil.PROCFS_PATH
    directory.mkdir()
    for entry in real.iterdir():
        if entry.name != "stat":
            (directory / entry.name).symlink_to(entry)
    stat = (real / "stat").read_text()
    booted = re.compile(r"(?<=^btime )\d+", re.MULTILINE)
    (directory / "stat").write_text(booted.sub(lambda match: str(int(match[0]) + seconds), stat))
    psutil.PROCFS_PATH = str(directory)
    try:
        yield
    finally:
        psutil.PROCFS_PATH = before
