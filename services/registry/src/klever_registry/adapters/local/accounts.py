"""The accounts in a file, read again when it changes."""

import asyncio
from pathlib import Path

import bcrypt
import structlog
import yaml
from pydantic import ValidationError

from kleverkit.durable import make_directory, replace_file
from kleverkit.errors import PermanentError
from kleverproto.accounts import Accounts
from kleverproto.mistakes import worded
from modelformats.threads import in_thread

LONGEST_PASSWORD = 72
"""bcrypt reads no further."""

Stamp = tuple[int, int, int] | None
UNREADABLE: Stamp = (0, 0, 0)
NOTE = b"This registry has accounts: it does not serve without them.\n"

log = structlog.get_logger()


class AccountsFile:
    """See `klever_registry.ports.AccountSource`.

    While the file is broken or gone the accounts of before stay: a typing mistake neither opens nor closes the door.
    That there were accounts is noted beside the models, so that a registry whose file is lost is not open after that.

    Args:
        path: YAML, see `kleverproto.accounts`.
        note: file that says that there were accounts.
        open_until_there: let everybody in for as long as there is no file and there never was one.

    Raises:
        PermanentError: the file cannot be read at the start, or is gone.
    """

    def __init__(self, path: Path, note: Path, *, open_until_there: bool = False) -> None:
        self._path = path
        self._note = note
        self._stamp = _stamp(path)
        self._problem: str | None = None
        self._reading = asyncio.Lock()
        if self._stamp is None and open_until_there and not note.exists():
            self._accounts: Accounts | None = None
        else:
            self._accounts = self._noted()

    async def read(self) -> Accounts | None:
        """See `AccountSource`. One reader at a time: of two, the one that began first would otherwise end last."""
        if _stamp(self._path) != self._stamp:
            async with self._reading:
                stamp = _stamp(self._path)
                if stamp != self._stamp:
                    await self._reload(stamp)
        return self._accounts

    async def check(self) -> str | None:
        """A readiness check: the file can be read as it is now, and that there is one is noted."""
        await self.read()
        if self._accounts is not None and self._problem is None and not self._note.exists():
            return await in_thread(self._note_down)
        return self._problem

    async def _reload(self, stamp: Stamp) -> None:
        try:
            self._accounts, self._problem = await in_thread(self._noted), None
        except PermanentError as error:
            self._accounts = self._accounts or Accounts()  # a first file that cannot be read lets nobody in
            self._problem = f"{error}; the accounts from before stay in force until that is mended"
            log.error("accounts_unreadable", path=str(self._path), error=str(error))  # noqa: TRY400
        self._stamp = stamp  # of before the reading: what changes meanwhile is read the next time

    def _noted(self) -> Accounts:
        """The accounts in the file, once it is noted that there are some. Raises PermanentError."""
        if _stamp(self._path) is None and self._note.exists():
            raise had_accounts(self._note, f"{self._path} is missing: restore it from a backup")
        accounts = _read(self._path)
        self._note_down()
        return accounts

    def _note_down(self) -> str | None:
        """What cannot be noted down on a full disk is tried again with each check; why, if so."""
        if self._note.exists():
            return None
        try:
            make_directory(self._note.parent)
            replace_file(self._note, NOTE)
        except OSError as error:
            return f"that there are accounts cannot be noted in {self._note}: {error}"
        return None


def had_accounts(note: Path, why: str) -> PermanentError:
    """The error of a registry that would be open though it had accounts."""
    return PermanentError(
        f"this registry had accounts, and {why}, or add an account with `klever registry account add`; only where "
        f"everybody on this machine may push again, remove {note}"
    )


async def verify_bcrypt(password: str, hashed: str) -> bool:
    """Whether the password is that of the hash, `$2a$`, `$2b$` or `$2y$`. Takes long, in a thread."""
    given = password.encode()
    return len(given) <= LONGEST_PASSWORD and await in_thread(bcrypt.checkpw, given, hashed.encode())


def _stamp(path: Path) -> Stamp:
    """What tells a file from a changed one; None only where there is proof that it is not there."""
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
