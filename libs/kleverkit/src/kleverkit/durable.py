"""Writing so that a power cut leaves the old file or the new one, never half of one."""

import os
import secrets
from pathlib import Path


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


def write_new(directory: Path, content: bytes) -> Path:
    """A file with a name of its own, its content on disk; the caller gives it its real name."""
    path = directory / f"_{secrets.token_hex(8)}"
    try:
        with open(path, "xb", opener=_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # on a full disk, half a file would take the space that is missing
        path.unlink(missing_ok=True)
        raise
    return path


def _private(path: str, flags: int) -> int:
    """What this process writes is for its own user."""
    return os.open(path, flags, 0o600)


def replace_file(path: Path, content: bytes) -> None:
    """Let a path hold this content, atomically and durably. Raises OSError: what was there still is."""
    new = write_new(path.parent, content)
    try:
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
