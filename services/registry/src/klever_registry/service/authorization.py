"""Who asks, and whether they may."""

import asyncio
import hashlib
import hmac
import math
import os
import shlex
from collections.abc import Awaitable, Callable

from klever_registry.domain.access import Asker, Reader, may, parse_basic
from klever_registry.domain.logins import LoginLimits
from klever_registry.errors import DeniedError, TooManyRequestsError, UnauthorizedError
from klever_registry.ports import AccountSource
from kleverproto.accounts import ANY_PROJECT, Account, Accounts, Right

Verify = Callable[[str, str], Awaitable[bool]]
"""Whether a password, given first, is that of a hash; slow on purpose."""
OF_NOBODY = "$2b$12$" + "." * 53
"""The hash of no password, where there are no accounts."""
NAMED = 128
"""Letters of a name that an error repeats."""


class Authorization:
    """Answers for every request, so that a right taken away is gone at once.

    A password that was right once is remembered, under a key of this process, for as long as the account has the same
    hash: hashing takes a quarter of a second by design, and a push makes dozens of requests.

    Args:
        source: who there is.
        verify: compares a password with its hash.
        limits: how often passwords may be guessed.
    """

    def __init__(self, source: AccountSource, verify: Verify, limits: LoginLimits) -> None:
        self._source = source
        self._verify = verify
        self._limits = limits
        self._key = os.urandom(32)
        self._known: dict[str, tuple[str, bytes]] = {}
        self._hashing = asyncio.Lock()

    async def check(self, asker: Asker, project: str, right: Right) -> None:
        """Let a request pass.

        Args:
            asker: who made it.
            project: where it wants something; `*` is everywhere.
            right: what it wants.

        Raises:
            UnauthorizedError: nobody may do this without saying who they are, or the password is wrong.
            DeniedError: this account may not.
            TooManyRequestsError: too many wrong passwords came from there.
        """
        accounts = await self._source.read()
        if accounts is None:
            return
        account = await self._identify(accounts, asker)
        if may(accounts, account, project, right):
            return
        if account is None:
            raise UnauthorizedError(f"log in to {right} in {project}: `ormb login` with an account of this registry")
        where = f"{'to' if right is Right.PUSH else 'from'} {_named(project)}"
        raise DeniedError(
            f"{account.name} may not {right} {where}. Ask the operator: `{_command(account, project, right)}`"
        )

    async def allows(self, asker: Asker, project: str, right: Right) -> bool:
        """The same as an answer. Raises TooManyRequestsError."""
        try:
            await self.check(asker, project, right)
        except (UnauthorizedError, DeniedError):
            return False
        return True

    async def reader(self, asker: Asker) -> Reader:
        """Who asks, for many projects at once. Raises as `check`, but not where no account is given."""
        accounts = await self._source.read()
        return Reader(accounts, await self._identify(accounts, asker) if accounts is not None else None)

    async def identify(self, asker: Asker) -> None:
        """Only whether the account exists and the password is right. Raises as `check`, also for nobody."""
        accounts = await self._source.read()
        if accounts is not None and await self._identify(accounts, asker) is None:
            raise UnauthorizedError("log in: `ormb login` with an account of this registry")

    async def _identify(self, accounts: Accounts, asker: Asker) -> Account | None:
        try:
            given = parse_basic(asker.header)
        except ValueError as error:
            raise UnauthorizedError(f"{error}: this registry takes name and password") from error
        if given is None:
            return None
        name, password = given
        account = accounts.find(name)
        if pause := self._limits.pause_of_account(asker.source, name):
            raise _too_many(pause)
        mac = hmac.digest(self._key, password.encode(), hashlib.sha256)
        if account is not None and self._known.get(name) == (account.password_hash, mac):
            return account
        async with self._hashing:
            self._require_no_pause(asker.source, name)
            hashed = account.password_hash if account else self._instead(accounts, name)
            if not await self._verify(password, hashed) or account is None:
                self._limits.failed(asker.source, name)
                raise UnauthorizedError(f"the name {name[:NAMED]!r} or its password is wrong: `ormb login` again")
            self._known[name] = (hashed, mac)
        self._limits.succeeded(asker.source, name)
        return account

    def _require_no_pause(self, source: str, name: str) -> None:
        """Raises TooManyRequestsError."""
        if pause := self._limits.pause_of_account(source, name):
            raise _too_many(pause)
        if pause := self._limits.pause_of_source(source):
            self._limits.withheld(source, name)  # or remembered passwords could be guessed meanwhile
            raise _too_many(pause)

    def _instead(self, accounts: Accounts, name: str) -> str:
        """The hash that the password of an unknown account is compared with, so that refusing it takes as long.

        It is always the same for a name, and as costly as those of the accounts that there are.
        """
        hashes = [account.password_hash for account in accounts.accounts] or [OF_NOBODY]
        chosen = hmac.digest(self._key, name.encode(), hashlib.sha256)
        return hashes[int.from_bytes(chosen[:8], "big") % len(hashes)]


def _too_many(pause: float) -> TooManyRequestsError:
    seconds = math.ceil(pause)
    return TooManyRequestsError(
        f"too many wrong passwords came from your address: wait {seconds} seconds, then try again", pause=pause
    )


def _named(project: str) -> str:
    return "every project" if project == ANY_PROJECT else project


def _command(account: Account, project: str, right: Right) -> str:
    """What gives an account one right more: the command sets all of them."""
    rights = {**account.projects, project: right}
    options = " ".join(f"--{may} {shlex.quote(where)}" for where, may in rights.items())
    return f"klever registry account add {shlex.quote(account.name)} {options}"
