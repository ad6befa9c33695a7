"""Writes the file with the accounts of the registry; `kleverproto.accounts` defines its content."""

from collections.abc import Sequence
from pathlib import Path

import bcrypt
import yaml
from pydantic import ValidationError

from kleverproto.accounts import Account, Accounts, Right
from kleverproto.mistakes import describe_mistakes
from kleverproto.quantities import bytes_of

from .errors import AccountsError

LONGEST_PASSWORD = 72
"""The number of bytes that bcrypt uses of a password."""


def read(path: Path) -> Accounts:
    """Read the accounts; none if the file does not exist. Raises AccountsError."""
    if not path.exists():
        return Accounts()
    try:
        return Accounts.model_validate(yaml.safe_load(path.read_text()) or {})
    except (UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise AccountsError(f"cannot read the accounts in {path}: {_why(error)}") from error


def add(path: Path, name: str, password: str, *, pull: Sequence[str], push: Sequence[str]) -> None:
    """Add an account, or replace the account of the same name.

    Args:
        path: the file, which is created if it does not exist.
        name: of the account.
        password: the password in clear; only its bcrypt hash is stored.
        pull: projects from which the account may pull.
        push: projects in which the account may also push and delete.

    Raises:
        AccountsError: the name, the password or a project is invalid.
    """
    if not 0 < len(password.encode()) <= LONGEST_PASSWORD:
        raise AccountsError(f"a password must have 1 to {LONGEST_PASSWORD} bytes")
    if not pull and not push:
        raise AccountsError(
            f"{name} would have no permissions: add --pull PROJECT or --push PROJECT, '*' for every project"
        )
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()
    projects = dict.fromkeys(pull, Right.PULL) | dict.fromkeys(push, Right.PUSH)
    try:
        account = Account(name=name, password_hash=hashed, projects=projects)
    except ValidationError as error:
        raise AccountsError(f"the account {name!r} is invalid: {describe_mistakes(error, Account)}") from error
    _write(path, read(path).with_account(account))


def remove(path: Path, name: str) -> None:
    """Remove an account. Raises AccountsError if it does not exist."""
    accounts = read(path)
    if accounts.find(name) is None:
        raise AccountsError(f"account {name!r} not found in {path}. List accounts with `klever registry account list`")
    _write(path, accounts.without(name))


def allow_anonymous(path: Path, projects: Sequence[str]) -> None:
    """Set the projects with anonymous pull. Raises AccountsError."""
    try:
        checked = Accounts(anonymous_pull=tuple(projects))
    except ValidationError as error:
        raise AccountsError(
            f"{', '.join(projects)} are no valid projects: {describe_mistakes(error, Accounts)}"
        ) from error
    _write(path, read(path).replace(anonymous_pull=checked.anonymous_pull))


def set_quota(path: Path, project: str, size: str) -> None:
    """Set the quota of a project in the registry.

    Args:
        path: the file, which is created if it does not exist.
        project: its name; `*` is every project without its own quota.
        size: a quantity such as `10Gi`; `none` removes the quota.

    Raises:
        AccountsError: the project or the size is invalid.
    """
    accounts = read(path)
    others = {name: quota for name, quota in accounts.quotas.items() if name != project}
    try:
        checked = Accounts(quotas=others | ({} if size == "none" else {project: bytes_of(size)}))
    except ValidationError as error:
        raise AccountsError(f"{project} is no valid project: {describe_mistakes(error, Accounts)}") from error
    except ValueError as error:
        raise AccountsError(str(error)) from error
    _write(path, accounts.replace(quotas=checked.quotas))


def _why(error: Exception) -> str:
    return describe_mistakes(error, Accounts) if isinstance(error, ValidationError) else " ".join(str(error).split())


def _write(path: Path, accounts: Accounts) -> None:
    """Replace the file atomically; only its owner can read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(yaml.safe_dump(accounts.model_dump(mode="json", by_alias=True), sort_keys=False))
    new.replace(path)
