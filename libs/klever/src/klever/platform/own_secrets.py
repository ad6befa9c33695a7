"""Secrets that a platform generates: the token of its gateway, the password of its registry."""

import os
import secrets
import stat
from pathlib import Path

from klever.errors import PlatformError
from kleverkit.durable import sync_directory

BYTES = 32
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def new_secret() -> str:
    """Return a random token or password."""
    return secrets.token_urlsafe(BYTES)


def provide_secret(path: Path) -> None:
    """Write a random secret to a file that only its owner can read. An existing secret is kept.

    Raises:
        PlatformError: the file exists and others can access it.
        OSError: the file cannot be written.
    """
    try:
        _check(path)
    except FileNotFoundError:
        path.parent.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        _write(path, new_secret())


def _check(path: Path) -> None:
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & OTHERS:
        raise PlatformError(
            f"{path} is not a file that only you can read, so others may know its secret: remove it, and "
            "`klever up` writes another"
        )


def _write(path: Path, secret: str) -> None:
    """Write the file atomically. It is never readable by others."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(descriptor)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
