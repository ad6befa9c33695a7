"""Registries on this machine that need no `ormb login`: a running registry leaves a file with the path of its password.

A file is valid only while its writer holds a lock on it. The file of a killed process is ignored, because another
user's process may listen on that port by then.
"""

import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ormb.own_registry import HOST, OwnRegistry, local_port

DIRECTORY = "local"
OTHERS = stat.S_IRWXG | stat.S_IRWXO
USERNAME, PASSWORD_FILE = "username", "passwordFile"


@contextmanager
def announced(root: Path, registry: OwnRegistry) -> Iterator[None]:
    """Announce a registry to this user's `ormb` while the block runs.

    Args:
        root: directory of ormb's credentials.
        registry: a registry on this machine.

    Raises:
        OSError: the file cannot be written.
    """
    directory = root / DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(stat.S_IRWXU)
    path = directory / f"{registry.port}.json"
    new = directory / f"_{secrets.token_hex(8)}"
    with open(new, "x", opener=_private) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            json.dump({USERNAME: registry.username, PASSWORD_FILE: str(registry.password_file.absolute())}, file)
            file.flush()
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        try:
            yield
        finally:
            _remove(path, os.fstat(file.fileno()))


def announced_at(root: Path, host: str) -> OwnRegistry | None:
    """Return the registry that is announced for a host:port, or None."""
    port = local_port(host)
    if port is None:
        return None
    try:
        descriptor = os.open(root / DIRECTORY / f"{port}.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, encoding="utf-8") as file:
        return _read(f"{HOST}:{port}", file.read()) if _is_private(descriptor) and _is_locked(descriptor) else None


def _read(address: str, text: str) -> OwnRegistry | None:
    try:
        written = json.loads(text)
        return OwnRegistry(address, Path(written[PASSWORD_FILE]), str(written[USERNAME]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_private(descriptor: int) -> bool:
    """Return whether only this user can have written the file. Its content names a file whose content is sent."""
    about = os.fstat(descriptor)
    return stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & OTHERS


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _remove(path: Path, written: os.stat_result) -> None:
    """Remove the file unless another process has replaced it."""
    try:
        if path.stat().st_ino == written.st_ino:
            path.unlink()
    except OSError:
        pass  # without its lock, the file is ignored


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
