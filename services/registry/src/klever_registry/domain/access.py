"""Who may do what with a repository."""

import base64
import binascii
from dataclasses import dataclass

from kleverproto.accounts import ANY_PROJECT, Account, Accounts, Right

READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Asker:
    """Who asks, as a request says it."""

    header: str
    """The Authorization header; empty where there is none."""
    source: str
    """Whom failed logins are counted to."""


@dataclass(frozen=True)
class Reader:
    """Who asks, as far as reading goes; without an account anybody."""

    accounts: Accounts
    account: Account | None

    def may_pull(self, project: str) -> bool:
        """Whether they have the right in a project."""
        return may(self.accounts, self.account, project, Right.PULL)


def parse_basic(header: str) -> tuple[str, str] | None:
    """User name and password of an Authorization header (RFC 7617).

    None where there are none, or both are empty: that is how skopeo and others ask as nobody in particular.

    Raises:
        ValueError: the header is of another scheme, or cannot be read.
    """
    if not header:
        return None
    scheme, _, value = header.partition(" ")
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("the Authorization header is not base64 of name:password") from error
    if scheme.lower() != "basic" or not colon:
        raise ValueError("the Authorization header is not of the Basic scheme")
    return (name, password) if name or password else None


def project_of(repository: str) -> str:
    """The project is the first part of a repository's name."""
    return repository.partition("/")[0]


def wanted_right(method: str) -> Right:
    """What a request on a repository needs. The state of an upload requires the right to push, but reveals nothing."""
    return Right.PULL if method in READING else Right.PUSH


def may(accounts: Accounts, account: Account | None, project: str, right: Right) -> bool:
    """Whether an account, or anybody (None), has the right in a project; `*` asks for every project."""
    if right is Right.PULL and ({project, ANY_PROJECT} & set(accounts.anonymous_pull)):
        return True
    granted = {account.projects.get(project), account.projects.get(ANY_PROJECT)} if account else set()
    return Right.PUSH in granted or right in granted
