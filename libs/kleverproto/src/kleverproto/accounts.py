"""Accounts of the embedded registry: the file that the CLI writes and the registry reads."""

from enum import StrEnum
from typing import Annotated, Self, TypedDict, Unpack

from pydantic import Field, StringConstraints, model_validator

from .base import StrictWireModel

ANY_PROJECT = "*"
PLATFORM_ACCOUNT = "klever"
"""User name of the platform itself in its registry. Its password is in a separate file."""

ACCOUNT_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._$+@-]{0,127}$"
HASH_PATTERN = r"^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$"
PROJECT_PATTERN = r"^(\*|[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)$"

AccountName = Annotated[str, StringConstraints(pattern=ACCOUNT_NAME_PATTERN)]
"""User name. It has no colon, which ends the name in HTTP Basic authentication (RFC 7617)."""
BcryptHash = Annotated[str, StringConstraints(pattern=HASH_PATTERN)]
ProjectName = Annotated[str, StringConstraints(pattern=PROJECT_PATTERN)]


class Right(StrEnum):
    """A right in a project. `push` includes pulling and deleting."""

    PULL = "pull"
    PUSH = "push"


class Account(StrictWireModel):
    """The account of a person or a robot."""

    name: AccountName
    """The user name."""
    password_hash: BcryptHash
    """bcrypt hash of the password, as written by `klever registry account add` and `htpasswd -B`."""
    projects: dict[ProjectName, Right] = Field(default_factory=dict)
    """Right by project; `*` stands for every project."""


class AccountsChanges(TypedDict, total=False):
    """Fields of Accounts that can be replaced."""

    accounts: tuple[Account, ...]
    anonymous_pull: tuple[ProjectName, ...]
    quotas: dict[ProjectName, int]


class Accounts(StrictWireModel):
    """All accounts of the registry."""

    accounts: tuple[Account, ...] = ()
    """Accounts of people and robots."""
    anonymous_pull: tuple[ProjectName, ...] = ()
    """Projects whose models can be pulled without an account; `*` stands for every project."""
    quotas: dict[ProjectName, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)
    """Quota in bytes by project; `*` stands for every project without an entry."""

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        names = [account.name for account in self.accounts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"there are two accounts of the name {twice[0]!r}")
        return self

    def replace(self, **changes: Unpack[AccountsChanges]) -> Self:
        """Return a copy with other values for some fields."""
        return self.model_copy(update=changes)

    def find(self, name: str) -> Account | None:
        """Return the account with this name, or None."""
        return next((account for account in self.accounts if account.name == name), None)

    def quota_of(self, project: str) -> int | None:
        """Return the quota of a project in bytes; None if it has no quota."""
        return self.quotas.get(project, self.quotas.get(ANY_PROJECT))

    def with_account(self, account: Account) -> "Accounts":
        """Return a copy with this account, which replaces one with the same name."""
        return self.replace(accounts=(*self.without(account.name).accounts, account))

    def without(self, name: str) -> "Accounts":
        """Return a copy without the account with this name."""
        return self.replace(accounts=tuple(account for account in self.accounts if account.name != name))
