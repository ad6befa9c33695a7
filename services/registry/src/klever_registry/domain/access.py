"""Authentication and authorization of requests."""

import base64
import binascii
from dataclasses import dataclass

from kleverproto.accounts import ANY_PROJECT, Account, Accounts, Right

READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Requester:
    """Credentials and source of a request."""

    header: str
    """The Authorization header; empty if it is absent."""
    source: str
    """The source for which failed logins are counted."""


@dataclass(frozen=True)
class Reader:
    """The rights to read of an account, or of anonymous users if it is None."""

    accounts: Accounts
    account: Account | None

    def may_pull(self, project: str) -> bool:
        """Return whether models of a project may be pulled."""
        return may(self.accounts, self.account, project, Right.PULL)


def parse_basic(header: str) -> tuple[str, str] | None:
    """Parse user name and password of an Authorization header (RFC 7617).

    Returns None if the header is absent or both are empty: skopeo and other clients send that for anonymous requests.

    Raises:
        ValueError: the header has another scheme, or cannot be parsed.
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
    """Return the project of a repository: the first part of its name."""
    return repository.partition("/")[0]


def required_right(method: str) -> Right:
    """Return the right that a request on a repository requires. Reading is pulling, every other method is pushing."""
    return Right.PULL if method in READING else Right.PUSH


def may(accounts: Accounts, account: Account | None, project: str, right: Right) -> bool:
    """Return whether an account (None: anonymous users) has the right in a project, or in every project for `*`."""
    if right is Right.PULL and ({project, ANY_PROJECT} & set(accounts.anonymous_pull)):
        return True
    granted = {account.projects.get(project), account.projects.get(ANY_PROJECT)} if account else set()
    return Right.PUSH in granted or right in granted
