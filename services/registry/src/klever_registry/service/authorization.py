"""Who asks, and whether they may."""

import asyncio
import hashlib
import hmac
import os
import shlex
from collections.abc import Awaitable, Callable

from klever_registry.domain.access import Reader, may, parse_basic
from klever_registry.errors import DeniedError, UnauthorizedError
from klever_registry.ports import AccountSource
from kleverproto.accounts import ANY_PROJECT, Account, Accounts, Right

Verify = Callable[[str, str], Awaitable[bool]]
"""Whether a password, given first, is that of a hash; slow on purpose."""


class Authorization:
    """Answers for every request, so that a right taken away is gone at once.

    A password that was right once is remembered, under a key of this process, for as long as the account has the same
    hash: hashing takes a quarter of a second by design, and a push makes dozens of requests.

    Args:
        source: who there is.
        verify: compares a password with its hash.
    """

    def __init__(self, source: AccountSource, verify: Verify) -> None:
        self._source = source
        self._verify = verify
        self._key = os.urandom(32)
        self._known: dict[str, tuple[str, bytes]] = {}
        self._hashing = asyncio.Lock()

    async def check(self, header: str, project: str, right: Right) -> None:
        """Let a request pass.

        Args:
            header: its Authorization header, empty where it has none.
            project: where it wants something; `*` is everywhere.
            right: what it wants.

        Raises:
            UnauthorizedError: nobody may do this without saying who they are, or the password is wrong.
            DeniedError: this account may not.
        """
        accounts = await self._source.read()
        if accounts is None:
            return
        account = await self._identify(accounts, header)
        if may(accounts, account, project, right):
            return
        if account is None:
            raise UnauthorizedError(f"log in to {right} in {project}: `ormb login` with an account of this registry")
        where = f"{'to' if right is Right.PUSH else 'from'} {_named(project)}"
        raise DeniedError(
            f"{account.name} may not {right} {where}. Ask the operator: `{_command(account, project, right)}`"
        )

    async def allows(self, header: str, project: str, right: Right) -> bool:
        """The same as an answer."""
        try:
            await self.check(header, project, right)
        except (UnauthorizedError, DeniedError):
            return False
        return True

    async def reader(self, header: str) -> Reader:
        """Who asks, for many projects at once. Raises UnauthorizedError, but not where no account is given."""
        accounts = await self._source.read()
        return Reader(accounts, await self._identify(accounts, header) if accounts is not None else None)

    async def identify(self, header: str) -> None:
        """Only whether the account exists and the password is right. Raises UnauthorizedError, also for nobody."""
        accounts = await self._source.read()
        if accounts is not None and await self._identify(accounts, header) is None:
            raise UnauthorizedError("log in: `ormb login` with an account of this registry")

    async def _identify(self, accounts: Accounts, header: str) -> Account | None:
        try:
            given = parse_basic(header)
        except ValueError as error:
            raise UnauthorizedError(f"{error}: this registry takes name and password") from error
        if given is None:
            return None
        name, password = given
        account = accounts.find(name)
        if account is None or not await self._is_right(account, password):
            raise UnauthorizedError(f"the name {name!r} or its password is wrong: `ormb login` again")
        return account

    async def _is_right(self, account: Account, password: str) -> bool:
        seen = (account.password_hash, hmac.digest(self._key, password.encode(), hashlib.sha256))
        if self._known.get(account.name) == seen:
            return True
        async with self._hashing:
            if self._known.get(account.name) == seen:
                return True
            if not await self._verify(password, account.password_hash):
                return False
            self._known[account.name] = seen
            return True


def _named(project: str) -> str:
    return "every project" if project == ANY_PROJECT else project


def _command(account: Account, project: str, right: Right) -> str:
    """What gives an account one right more: the command sets all of them."""
    rights = {**account.projects, project: right}
    options = " ".join(f"--{may} {shlex.quote(where)}" for where, may in rights.items())
    return f"klever registry account add {shlex.quote(account.name)} {options}"
