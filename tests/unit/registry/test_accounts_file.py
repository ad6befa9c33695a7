"""The accounts file while it changes: the newest that can be read counts, and readiness says when it cannot."""

import asyncio
import os
from pathlib import Path

import pytest
import yaml

from klever_registry.adapters.local import AccountsFile
from kleverkit.errors import PermanentError
from kleverproto.accounts import Accounts
from modelformats.threads import in_thread

HASH = "$2b$12$abcdefghijklmnopqrstuuu8pJyC1Qm1C8aXnqYw3d3Jbq2rS0N7m"


def content(*names: str) -> str:
    accounts = [{"name": name, "password_hash": HASH} for name in names]
    document: str = yaml.safe_dump(Accounts.model_validate({"accounts": accounts}).model_dump(mode="json"))
    return document


def replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def write(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


def is_there(path: Path) -> bool:
    return path.exists()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "accounts.yaml").write_text(content("ada"))
    return tmp_path / "accounts.yaml"


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "registry" / "has-accounts"


async def names(source: AccountsFile) -> list[str]:
    accounts = await source.read()
    assert accounts is not None
    return [account.name for account in accounts.accounts]


async def test_an_older_read_that_ends_later_does_not_win(path: Path, note: Path, tmp_path: Path) -> None:
    """The older content is in a pipe, so that whoever reads it waits until the test writes to it."""
    source = AccountsFile(path, note)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    os.link(pipe, tmp_path / "linked")
    (tmp_path / "linked").replace(path)
    older = asyncio.create_task(source.read())
    await asyncio.wait({older}, timeout=0.05)
    replace(path, content("ada", "newer"))
    newer = asyncio.create_task(source.read())
    await asyncio.wait({newer}, timeout=0.05)
    await in_thread(pipe.write_text, content("ada", "older"))
    await asyncio.gather(older, newer)
    seen = newer.result()
    assert seen is not None
    assert [account.name for account in seen.accounts] == ["ada", "newer"]
    assert await names(source) == ["ada", "newer"]


async def test_what_many_read_while_the_file_changes_never_goes_back(path: Path, note: Path) -> None:
    source = AccountsFile(path, note)
    seen: list[int] = []
    for number in range(1, 30):
        replace(path, content(*(f"user-{each}" for each in range(number))))
        seen += [len(found) for found in await asyncio.gather(*(names(source) for _ in range(5)))]
    assert seen == sorted(seen)
    assert seen[-1] == 29


@pytest.mark.parametrize("half", ["", "accounts: [", "accounts:\n- name: ada\n", "just text"])
async def test_a_half_written_file_keeps_the_last_good_one_and_shows_in_readiness(
    path: Path, note: Path, half: str
) -> None:
    source = AccountsFile(path, note)
    assert await source.check() is None
    write(path, half)
    assert await names(source) == ["ada"]
    problem = await source.check()
    assert problem is not None
    assert "stay in force" in problem
    write(path, content("ada", "grace"))
    assert await source.check() is None
    assert await names(source) == ["ada", "grace"]


async def test_a_file_that_was_removed_keeps_the_last_good_one_and_shows_in_readiness(path: Path, note: Path) -> None:
    source = AccountsFile(path, note)
    remove(path)
    assert await names(source) == ["ada"]
    assert await source.check() is not None


def test_a_file_that_cannot_be_read_at_the_start_ends_the_start(path: Path, note: Path) -> None:
    path.write_text("")
    with pytest.raises(PermanentError, match="the file is empty"):
        AccountsFile(path, note)


async def test_the_first_account_counts_at_once(path: Path, note: Path) -> None:
    remove(path)
    source = AccountsFile(path, note, open_until_there=True)
    assert await source.read() is None
    write(path, content("ada"))
    assert await names(source) == ["ada"]
    assert is_there(note)


async def test_a_first_file_that_cannot_be_read_lets_nobody_in(path: Path, note: Path) -> None:
    remove(path)
    source = AccountsFile(path, note, open_until_there=True)
    write(path, "accounts: [")
    assert await names(source) == []
    assert await source.check() is not None


@pytest.mark.parametrize("open_until_there", [True, False])
def test_a_registry_that_had_accounts_does_not_start_without_them(
    path: Path, note: Path, *, open_until_there: bool
) -> None:
    AccountsFile(path, note)
    path.unlink()
    with pytest.raises(PermanentError, match=r"had accounts, and .*accounts.yaml is missing: restore it from a backup"):
        AccountsFile(path, note, open_until_there=open_until_there)


def test_a_file_that_was_chosen_must_be_there(path: Path, note: Path) -> None:
    path.unlink()
    with pytest.raises(PermanentError, match="cannot be read"):
        AccountsFile(path, note)


async def test_what_cannot_be_noted_shows_in_readiness_until_it_can(path: Path, note: Path) -> None:
    note.parent.write_text("in the way")
    source = AccountsFile(path, note)
    assert await names(source) == ["ada"]
    problem = await source.check()
    assert problem is not None
    assert "cannot be noted" in problem
    remove(note.parent)
    assert await source.check() is None
    assert is_there(note)
