"""The accounts in a file, read again when it changes."""

import asyncio
from pathlib import Path

import bcrypt
import structlog
import yaml
from pydantic import ValidationError

from kleverkit.errors import PermanentError
from kleverproto.accounts import Accounts
from kleverproto.mistakes import worded
from modelformats.threads import in_thread

LONGEST_PASSWORD = 72
"""bcrypt reads no further."""

Stamp = tuple[int, int, int] | None
UNREADABLE: Stamp = (0, 0, 0)

log = structlog.get_logger()


class AccountsFile:
    """See `klever_registry.ports.AccountSource`.

    While the file is broken or gone the accounts of before stay: a typing mistake neither opens nor closes the door.

    Args:
        path: YAML, see `kleverproto.accounts`.
        may_come_later: whether there may be no file at the start; nobody has an account then.

    Raises:
        PermanentError: the file cannot be read at the start.
    """

    def __init__(self, path: Path, *, may_come_later: bool = False) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._problem: str | None = None
        self._reading = asyncio.Lock()
        self._accounts = Accounts() if self._stamp is None and may_come_later else _read(path)

    async def read(self) -> Accounts:
        """See `AccountSource`. One reader at a time: of two, the one that began first would otherwise end last."""
        if _stamp(self._path) != self._stamp:
            async with self._reading:
                stamp = _stamp(self._path)
                if stamp != self._stamp:
                    await self._reload(stamp)
        return self._accounts

    async def check(self) -> str | None:
        """A readiness check: the file can be read as it is now."""
        await self.read()
        return self._problem

    async def _reload(self, stamp: Stamp) -> None:
        try:
            self._accounts, self._problem = await in_thread(_read, self._path), None
        except PermanentError as error:
            self._problem = f"{error}; the accounts from before stay in force until that is mended"
            log.error("accounts_unreadable", path=str(self._path), error=str(error))  # noqa: TRY400
        self._stamp = stamp  # of before the reading: what changes meanwhile is read the next time


class NoAccounts:
    """See `klever_registry.ports.AccountSource`: nobody but the platform itself may use the registry."""

    async def read(self) -> Accounts:
        """See `AccountSource`."""
        return Accounts()


async def verify_bcrypt(password: str, hashed: str) -> bool:
    """Whether the password is that of the hash, `$2a$`, `$2b$` or `$2y$`. Takes long, in a thread."""
    given = password.encode()
    return len(given) <= LONGEST_PASSWORD and await in_thread(bcrypt.checkpw, given, hashed.encode())


def _stamp(path: Path) -> Stamp:
    """Distinguishes a file from a changed one; None only if it certainly does not exist."""
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return UNREADABLE
    return about.st_mtime_ns, about.st_size, about.st_ino


def _read(path: Path) -> Accounts:
    try:
        content = yaml.safe_load(path.read_text())
        if content is None:
            raise PermanentError(f"the accounts in {path} cannot be read: the file is empty, is it being written?")
        return Accounts.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        why = worded(error, Accounts) if isinstance(error, ValidationError) else " ".join(str(error).split())
        raise PermanentError(f"the accounts in {path} cannot be read: {why}") from error
