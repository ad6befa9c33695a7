"""Who may pull and push in the embedded registry: the file that the CLI writes and the registry reads."""

from enum import StrEnum
from typing import Annotated, Self, TypedDict, Unpack

from pydantic import Field, StringConstraints, model_validator

from .base import StrictWireModel

ANY_PROJECT = "*"
PLATFORM_ACCOUNT = "klever"
"""User name of the platform itself in its own registry; its password is in a file of its own."""

ACCOUNT_NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._$+@-]{0,127}$"
HASH_PATTERN = r"^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$"
PROJECT_PATTERN = r"^(\*|[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)$"

AccountName = Annotated[str, StringConstraints(pattern=ACCOUNT_NAME_PATTERN)]
"""No colon, which ends the name in HTTP Basic authentication (RFC 7617)."""
BcryptHash = Annotated[str, StringConstraints(pattern=HASH_PATTERN)]
ProjectName = Annotated[str, StringConstraints(pattern=PROJECT_PATTERN)]


class Right(StrEnum):
    """What may be done in a project; to push is also to pull and to delete."""

    PULL = "pull"
    PUSH = "push"


class Account(StrictWireModel):
    """A person or a robot."""

    name: AccountName
    """The user name."""
    password_hash: BcryptHash
    """bcrypt of the password, as `klever registry account add` and `htpasswd -B` write it."""
    projects: dict[ProjectName, Right] = Field(default_factory=dict)
    """Right by project; `*` is every project."""


class AccountsChanges(TypedDict, total=False):
    """What may be replaced in Accounts."""

    accounts: tuple[Account, ...]
    anonymous_pull: tuple[ProjectName, ...]
    quotas: dict[ProjectName, int]


class Accounts(StrictWireModel):
    """All accounts of the registry."""

    accounts: tuple[Account, ...] = ()
    """People and robots."""
    anonymous_pull: tuple[ProjectName, ...] = ()
    """Projects whose models anybody may pull; `*` is every project."""
    quotas: dict[ProjectName, Annotated[int, Field(gt=0)]] = Field(default_factory=dict)
    """Bytes that a project may have in the registry, by its name; `*` is each project that has none of its own."""

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        names = [account.name for account in self.accounts]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"there are two accounts of the name {twice[0]!r}")
        return self

    def replace(self, **changes: Unpack[AccountsChanges]) -> Self:
        """The same accounts with other values for some fields."""
        return self.model_copy(update=changes)

    def find(self, name: str) -> Account | None:
        """The account of a name."""
        return next((account for account in self.accounts if account.name == name), None)

    def quota_of(self, project: str) -> int | None:
        """Bytes that a project may use; None if there is no quota."""
        return self.quotas.get(project, self.quotas.get(ANY_PROJECT))

    def with_account(self, account: Account) -> "Accounts":
        """The same with an account more, or instead of the one of its name."""
        return self.replace(accounts=(*self.without(account.name).accounts, account))

    def without(self, name: str) -> "Accounts":
        """The same without an account."""
        return self.replace(accounts=tuple(one for one in self.accounts if one.name != name))
