"""The accounts in a file, read again when it changes."""

import asyncio
from pathlib import Path

import bcrypt
import structlog
import yaml
from pydantic import ValidationError

from kleverkit.errors import PermanentError
from kleverproto.accounts import Accounts

LONGEST_PASSWORD = 72
"""bcrypt reads no further."""

log = structlog.get_logger()


class AccountsFile:
    """See `klever_registry.ports.AccountSource`.

    While the file is broken the accounts of before stay: a typing mistake neither opens nor closes the door.

    Args:
        path: YAML, see `kleverproto.accounts`.

    Raises:
        PermanentError: the file cannot be read at the start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._accounts = _read(path)

    async def read(self) -> Accounts:
        """See `AccountSource`."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._accounts = await asyncio.to_thread(_read, self._path)
            except PermanentError:
                log.exception("accounts_unreadable", path=str(self._path))
        return self._accounts


async def verify_bcrypt(password: str, hashed: str) -> bool:
    """Whether the password is that of the hash, `$2a$`, `$2b$` or `$2y$`. Takes long, in a thread."""
    given = password.encode()
    return len(given) <= LONGEST_PASSWORD and await asyncio.to_thread(bcrypt.checkpw, given, hashed.encode())


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino


def _read(path: Path) -> Accounts:
    try:
        return Accounts.model_validate(yaml.safe_load(path.read_text()) or {})
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise PermanentError(f"the accounts in {path} cannot be read: {error}") from error
