"""Authentication and authorization with accounts."""

import asyncio
import hashlib
import hmac
import math
import os
import shlex
from collections.abc import Awaitable, Callable

from klever_registry.domain.access import Reader, Requester, may, parse_basic
from klever_registry.domain.logins import LoginLimits
from klever_registry.errors import DeniedError, TooManyRequestsError, UnauthorizedError
from klever_registry.ports import AccountSource
from kleverproto.accounts import ANY_PROJECT, PLATFORM_ACCOUNT, Account, Accounts, Right

Verify = Callable[[str, str], Awaitable[bool]]
"""Returns whether a password (first argument) matches a hash. Slow by design."""
UNMATCHABLE_HASH = "$2b$12$" + "." * 53
"""A hash that no password matches."""
PLATFORM = Account(name=PLATFORM_ACCOUNT, password_hash=UNMATCHABLE_HASH, projects={ANY_PROJECT: Right.PUSH})
"""The account of the platform itself. Its password is random and long, so that it requires no slow hash."""
MAX_NAME_LENGTH = 128
"""Maximum number of characters of a name in an error."""


class Authorization:
    """Checks every request, so that a revoked right is effective immediately.

    A verified password is cached as a MAC with a key of this process while the account has the same hash: hashing takes
    a quarter of a second by design, and a push makes dozens of requests.

    Args:
        source: the accounts.
        verify: compares a password with a hash.
        limits: limits on failed logins.
        is_platform: returns whether a password is the platform's. By default the platform has no account.
    """

    def __init__(
        self,
        source: AccountSource,
        verify: Verify,
        limits: LoginLimits,
        is_platform: Callable[[str], bool] = lambda _password: False,
    ) -> None:
        self._source = source
        self._verify = verify
        self._limits = limits
        self._is_platform = is_platform
        self._key = os.urandom(32)
        self._known: dict[str, tuple[str, bytes]] = {}
        self._hashing = asyncio.Lock()

    async def check(self, requester: Requester, project: str, right: Right) -> None:
        """Authorize a request.

        Args:
            requester: the credentials of the request.
            project: the project of the request; `*` for every project.
            right: the required right.

        Raises:
            UnauthorizedError: the request requires a login, or the name or password is wrong.
            DeniedError: the account does not have the right.
            TooManyRequestsError: there were too many failed logins.
        """
        accounts = await self._source.read()
        account = await self._identify(accounts, requester)
        if may(accounts, account, project, right):
            return
        if account is None:
            raise UnauthorizedError(f"log in to {right} in {project}: `ormb login` with an account of this registry")
        scope = f"{'to' if right is Right.PUSH else 'from'} {_project_text(project)}"
        raise DeniedError(
            f"{account.name} may not {right} {scope}. Ask the operator: `{_command(account, project, right)}`"
        )

    async def allows(self, requester: Requester, project: str, right: Right) -> bool:
        """Return whether `check` authorizes a request. Raises TooManyRequestsError."""
        try:
            await self.check(requester, project, right)
        except (UnauthorizedError, DeniedError):
            return False
        return True

    async def reader(self, requester: Requester) -> Reader:
        """Return the rights to read, for checks of many projects. Raises as `check`, except without a login."""
        accounts = await self._source.read()
        return Reader(accounts, await self._identify(accounts, requester))

    async def identify(self, requester: Requester) -> None:
        """Verify name and password, independent of rights. Raises as `check`, also for an anonymous request."""
        if await self._identify(await self._source.read(), requester) is None:
            raise UnauthorizedError("log in: `ormb login` with an account of this registry")

    async def _identify(self, accounts: Accounts, requester: Requester) -> Account | None:
        try:
            login = parse_basic(requester.header)
        except ValueError as error:
            raise UnauthorizedError(f"{error}: this registry requires a name and a password") from error
        if login is None:
            return None
        name, password = login
        if name == PLATFORM_ACCOUNT and self._is_platform(password):
            return PLATFORM  # before any pause: guesses of others must not block the platform
        account = accounts.find(name)
        if pause := self._limits.pause_of_account(requester.source, name):
            raise _too_many(pause)
        mac = hmac.digest(self._key, password.encode(), hashlib.sha256)
        if account is not None and self._known.get(name) == (account.password_hash, mac):
            return account
        async with self._hashing:
            self._require_no_pause(requester.source, name)
            hashed = account.password_hash if account else self._decoy_hash(accounts, name)
            if not await self._verify(password, hashed) or account is None:
                self._limits.record_failure(requester.source, name)
                shown = name[:MAX_NAME_LENGTH]
                raise UnauthorizedError(f"the name {shown!r} or its password is wrong: run `ormb login` again")
            self._known[name] = (hashed, mac)
        self._limits.record_success(requester.source, name)
        return account

    def _require_no_pause(self, source: str, name: str) -> None:
        """Raise TooManyRequestsError during a pause."""
        if pause := self._limits.pause_of_account(source, name):
            raise _too_many(pause)
        if pause := self._limits.pause_of_source(source):
            self._limits.record_withheld(source, name)  # otherwise cached passwords could be guessed meanwhile
            raise _too_many(pause)

    def _decoy_hash(self, accounts: Accounts, name: str) -> str:
        """Return a hash for the password of an unknown account, so that its rejection takes the same time.

        It is constant for a name, and as expensive as the hashes of existing accounts.
        """
        hashes = [account.password_hash for account in accounts.accounts] or [UNMATCHABLE_HASH]
        chosen = hmac.digest(self._key, name.encode(), hashlib.sha256)
        return hashes[int.from_bytes(chosen[:8], "big") % len(hashes)]


def _too_many(pause: float) -> TooManyRequestsError:
    seconds = math.ceil(pause)
    return TooManyRequestsError(
        f"too many failed logins from your address: wait {seconds} seconds, then try again", pause=pause
    )


def _project_text(project: str) -> str:
    return "every project" if project == ANY_PROJECT else project


def _command(account: Account, project: str, right: Right) -> str:
    """Return the command that grants an account one more right. The command always sets all rights."""
    rights = {**account.projects, project: right}
    options = " ".join(f"--{granted} {shlex.quote(scope)}" for scope, granted in rights.items())
    return f"klever registry account add {shlex.quote(account.name)} {options}"
