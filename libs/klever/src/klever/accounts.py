"""Writes the file of those who may use the registry; `kleverproto.accounts` says what is in it."""

from collections.abc import Sequence
from pathlib import Path

import bcrypt
import yaml
from pydantic import ValidationError

from kleverproto.accounts import Account, Accounts, Right
from kleverproto.mistakes import worded
from kleverproto.quantities import bytes_of

from .errors import AccountsError

LONGEST_PASSWORD = 72
"""bcrypt reads no further."""


def read(path: Path) -> Accounts:
    """Everybody; nobody where there is no file. Raises AccountsError."""
    if not path.exists():
        return Accounts()
    try:
        return Accounts.model_validate(yaml.safe_load(path.read_text()) or {})
    except (UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise AccountsError(f"the accounts in {path} cannot be read: {_why(error)}") from error


def add(path: Path, name: str, password: str, *, pull: Sequence[str], push: Sequence[str]) -> None:
    """Add an account, or replace the one of its name.

    Args:
        path: the file, made where it is absent.
        name: of the account.
        password: in clear; only its bcrypt hash is kept.
        pull: projects from which it may pull.
        push: projects in which it may also push and delete.

    Raises:
        AccountsError: the name, the password or a project will not do.
    """
    if not 0 < len(password.encode()) <= LONGEST_PASSWORD:
        raise AccountsError(f"a password has 1 to {LONGEST_PASSWORD} bytes")
    if not pull and not push:
        raise AccountsError(f"{name} could do nothing: add --pull PROJECT or --push PROJECT, '*' for every project")
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode()
    projects = dict.fromkeys(pull, Right.PULL) | dict.fromkeys(push, Right.PUSH)
    try:
        account = Account(name=name, password_hash=hashed, projects=projects)
    except ValidationError as error:
        raise AccountsError(f"the account {name!r} cannot be: {worded(error, Account)}") from error
    _write(path, read(path).with_account(account))


def remove(path: Path, name: str) -> None:
    """Remove an account. Raises AccountsError where there is none."""
    known = read(path)
    if known.find(name) is None:
        raise AccountsError(f"there is no account {name!r} in {path}: `klever registry account list` shows them")
    _write(path, known.without(name))


def allow_anonymous(path: Path, projects: Sequence[str]) -> None:
    """Let anybody pull from these projects only. Raises AccountsError."""
    try:
        checked = Accounts(anonymous_pull=tuple(projects))
    except ValidationError as error:
        raise AccountsError(f"{', '.join(projects)} cannot be projects: {worded(error, Accounts)}") from error
    _write(path, read(path).replace(anonymous_pull=checked.anonymous_pull))


def set_quota(path: Path, project: str, size: str) -> None:
    """Say how much a project may have in the registry.

    Args:
        path: the file, made where it is absent.
        project: its name; `*` is each project that has no quota of its own.
        size: such as `10Gi`; `none` takes the quota away.

    Raises:
        AccountsError: the project or the size will not do.
    """
    known = read(path)
    others = {name: quota for name, quota in known.quotas.items() if name != project}
    try:
        checked = Accounts(quotas=others | ({} if size == "none" else {project: bytes_of(size)}))
    except ValidationError as error:
        raise AccountsError(f"{project} cannot be a project: {worded(error, Accounts)}") from error
    except ValueError as error:
        raise AccountsError(str(error)) from error
    _write(path, known.replace(quotas=checked.quotas))


def _why(error: Exception) -> str:
    return worded(error, Accounts) if isinstance(error, ValidationError) else " ".join(str(error).split())


def _write(path: Path, accounts: Accounts) -> None:
    """All or nothing, for the owner's eyes only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.touch(mode=0o600)
    new.write_text(yaml.safe_dump(accounts.model_dump(mode="json", by_alias=True), sort_keys=False))
    new.replace(path)
