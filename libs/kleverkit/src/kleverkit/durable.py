"""Writing so that a power cut leaves the old file or the new one, never half of one."""

import os
import secrets
from pathlib import Path

READ_BY_ALL, READ_BY_OWNER = 0o666, 0o600
"""Permissions of new files; the first is what `open` gives."""


def make_directory(path: Path) -> None:
    """Create a directory with its parents; each is in its parent on disk before this returns."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Bring the names in a directory to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Bring the content of a file to disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_new(directory: Path, content: bytes, mode: int = READ_BY_ALL) -> Path:
    """A file with a name of its own, its content on disk; the caller gives it its real name."""
    path = directory / f"_{secrets.token_hex(8)}"
    try:
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # on a full disk, half a file would take the space that is missing
        path.unlink(missing_ok=True)
        raise
    return path


def replace_file(path: Path, content: bytes, *, mode: int = READ_BY_ALL) -> None:
    """Let a path hold this content, atomically and durably. Raises OSError: what was there still is.

    Args:
        path: in an existing directory.
        content: all of it.
        mode: permissions, less what the process's umask takes away.
    """
    new = write_new(path.parent, content, mode)
    try:
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
