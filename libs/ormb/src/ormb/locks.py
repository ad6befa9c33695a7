"""Locks between processes. The system releases them when a process exits, even if it crashes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Yield whether this process holds the lock while the block runs. The system releases it when the process exits."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


@contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Prevent `try_lock` on the same file from succeeding while the block runs.

    Waits while another process holds the lock. If the file cannot be written, no process can lock it, and no process
    can remove files beside it either.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        yield
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
