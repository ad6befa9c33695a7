"""Durable writes: after a power failure there is the old file or the new one, never a partial one."""

import os
import secrets
from pathlib import Path


def make_directory(path: Path) -> None:
    """Create a directory with its parents, durably."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Flush the entries of a directory to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Flush the content of a file to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_new(directory: Path, content: bytes) -> Path:
    """Write a file with a unique name durably; the caller renames it."""
    path = directory / f"_{secrets.token_hex(8)}"
    try:
        with open(path, "xb", opener=_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # on a full disk, a partial file would use space
        path.unlink(missing_ok=True)
        raise
    return path


def _private(path: str, flags: int) -> int:
    """Open a file with permissions for its owner only."""
    return os.open(path, flags, 0o600)


def replace_file(path: Path, content: bytes) -> None:
    """Replace the content of a file, atomically and durably. Raises OSError; the old content then stays in place."""
    new = write_new(path.parent, content)
    try:
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
