"""Restores a backup into an empty home."""

import asyncio
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from klever.platform.home import ACCOUNTS_SETTING, PRIVATE, Home
from klever.platform.plan import REGISTRY
from kleverkit.durable import sync_directory
from ormb.space import refusal

from .creation import DATA_DIR_SETTING
from .errors import BackupError
from .home_files import restore_home
from .models import restore_models
from .reading import Backup
from .servers import temporary_client
from .streams import restore_streams


async def restore_into_home(backup: Backup, home: Home, nats_server: str) -> None:
    """Restore a backup. The home gets its name when it is complete, and does not exist before.

    Args:
        backup: verified.
        home: does not exist, or is an empty directory.
        nats_server: path of the nats-server program, which restores the streams.

    Raises:
        BackupError: the home is not empty, the disk is full, or NATS refuses a stream; the home is then unchanged.
    """
    _require_empty(home.path)
    _require_own_directories()
    with _staging(home.path) as staging:
        _require_space(staging, backup.size)
        new = Home(staging)
        new.create()
        restore_home(backup, staging)
        await asyncio.to_thread(restore_models, backup, new.of(REGISTRY))
        async with temporary_client(new, nats_server) as client:
            await restore_streams(client, backup)
        await asyncio.to_thread(os.sync)
        staging.rename(home.path)  # also replaces an empty directory
        sync_directory(home.path.parent)


def _require_empty(home: Path) -> None:
    if home.is_symlink() or (home.exists() and not home.is_dir()) or (home.is_dir() and any(home.iterdir())):
        raise BackupError(
            f"{home} is not empty: set KLEVER_HOME to a new directory, or stop the platform and move this one away. "
            "Nothing was changed"
        )
    if home.is_mount():
        raise BackupError(f"{home} is a mount point, which cannot be replaced: set KLEVER_HOME to a directory below it")


def _require_own_directories() -> None:
    """Raise BackupError if the platform would not use what is restored."""
    for setting in (DATA_DIR_SETTING, ACCOUNTS_SETTING):
        if elsewhere := os.environ.get(setting):
            raise BackupError(
                f"{setting} names {elsewhere}, and backups are restored into a home only: unset it, and move the files "
                "there afterwards"
            )


def _require_space(directory: Path, size: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < size:
        raise BackupError(f"{directory.parent} has {free} bytes left, and the backup needs {size}: free some space")


@contextmanager
def _staging(home: Path) -> Iterator[Path]:
    """Yield a new directory next to the home, which is removed unless it was renamed. Raises BackupError."""
    path = home.with_name(f".{home.name}.{secrets.token_hex(4)}.restoring")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=PRIVATE)
        yield path
    except OSError as error:
        reason = refusal(error) or error.strerror or str(error)
        raise BackupError(f"{home} cannot be restored: {reason}. The home was not changed") from error
    finally:
        shutil.rmtree(path, ignore_errors=True)
