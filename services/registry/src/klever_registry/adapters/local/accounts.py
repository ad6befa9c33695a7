"""The file of accounts, which is read again when it changes."""

import asyncio
from pathlib import Path

import bcrypt
import structlog
import yaml
from pydantic import ValidationError

from kleverkit.errors import PermanentError
from kleverproto.accounts import Accounts
from kleverproto.mistakes import describe_mistakes
from modelformats.threads import in_thread

LONGEST_PASSWORD = 72
"""Maximum size in bytes, because bcrypt ignores further bytes."""

Stamp = tuple[int, int, int] | None
UNREADABLE: Stamp = (0, 0, 0)

log = structlog.get_logger()


class AccountsFile:
    """See `klever_registry.ports.AccountSource`.

    While the file is invalid or missing, the last valid accounts stay in force: a typing mistake neither grants nor
    revokes rights.

    Args:
        path: YAML file, see `kleverproto.accounts`.
        is_optional: whether the file may be missing at the start, which means that there are no accounts.

    Raises:
        PermanentError: the file cannot be read at the start.
    """

    def __init__(self, path: Path, *, is_optional: bool = False) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._problem: str | None = None
        self._reading = asyncio.Lock()
        self._accounts = Accounts() if self._stamp is None and is_optional else _read(path)

    async def read(self) -> Accounts:
        """See `AccountSource`. One task at a time reads the file: an older result must not replace a newer one."""
        if _stamp(self._path) != self._stamp:
            async with self._reading:
                stamp = _stamp(self._path)
                if stamp != self._stamp:
                    await self._reload(stamp)
        return self._accounts

    async def check(self) -> str | None:
        """Readiness check: return a problem while the present file cannot be read."""
        await self.read()
        return self._problem

    async def _reload(self, stamp: Stamp) -> None:
        try:
            self._accounts, self._problem = await in_thread(_read, self._path), None
        except PermanentError as error:
            self._problem = f"{error}; the last valid accounts stay in force until that is corrected"
            log.error("accounts cannot be read", path=str(self._path), error=str(error))  # noqa: TRY400
        self._stamp = stamp  # from before reading: a change in between is read the next time


class NoAccounts:
    """See `klever_registry.ports.AccountSource`. Only the platform itself may use the registry."""

    async def read(self) -> Accounts:
        """See `AccountSource`."""
        return Accounts()


async def verify_bcrypt(password: str, hashed: str) -> bool:
    """Return whether the password matches a hash of type `$2a$`, `$2b$` or `$2y$`. Slow; runs in a thread."""
    encoded = password.encode()
    return len(encoded) <= LONGEST_PASSWORD and await in_thread(bcrypt.checkpw, encoded, hashed.encode())


def _stamp(path: Path) -> Stamp:
    """Return a value that differs for a changed file; None only if the file certainly does not exist."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return UNREADABLE
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> Accounts:
    try:
        content = yaml.safe_load(path.read_text())
        if content is None:
            raise PermanentError(f"the accounts in {path} cannot be read: the file is empty, or still being written")
        return Accounts.model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        reason = (
            describe_mistakes(error, Accounts) if isinstance(error, ValidationError) else " ".join(str(error).split())
        )
        raise PermanentError(f"the accounts in {path} cannot be read: {reason}") from error
