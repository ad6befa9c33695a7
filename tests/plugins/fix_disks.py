"""File systems that tests can fill up."""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from support.waiting import eventually

SmallDisk = Callable[[int], Path]
"""Mounts a file system of so many bytes and gives its directory."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """In-memory file systems that are removed when the test ends; skips if this user may not mount."""
    with ExitStack() as stack:
        yield lambda size: stack.enter_context(_mounted(tmp_path / "small-disk", size))


def fill(directory: Path) -> Path:
    """Fill the file system of a directory completely. Removing the returned file frees the space."""
    path = directory / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return path


@contextmanager
def _mounted(directory: Path, size: int) -> Iterator[Path]:
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(directory)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user may not mount a file system")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


async def remount(directory: Path, mode: str) -> None:
    """Make a small disk read-only (`ro`) or writable (`rw`).

    Waits while a file is open for writing, such as a lock that a background loop holds: the kernel refuses until then.
    """

    async def is_remounted() -> bool:
        mount = await asyncio.create_subprocess_exec("mount", "-o", f"remount,{mode}", str(directory))
        return await mount.wait() == 0

    await eventually(is_remounted)
