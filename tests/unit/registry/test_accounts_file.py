"""The accounts file while it changes: the newest readable version counts, and readiness reports an unreadable one."""

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "accounts.yaml").write_text(content("ada"))
    return tmp_path / "accounts.yaml"


async def names(source: AccountsFile) -> list[str]:
    accounts = await source.read()
    return [account.name for account in accounts.accounts]


async def test_an_older_read_that_ends_later_does_not_win(path: Path, tmp_path: Path) -> None:
    """The older content is in a pipe, so that its reader waits until the test writes to it."""
    source = AccountsFile(path)
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
    accounts = newer.result()
    assert [account.name for account in accounts.accounts] == ["ada", "newer"]
    assert await names(source) == ["ada", "newer"]


async def test_concurrent_reads_of_a_changing_file_never_go_back(path: Path) -> None:
    source = AccountsFile(path)
    counts: list[int] = []
    for number in range(1, 30):
        replace(path, content(*(f"user-{each}" for each in range(number))))
        counts += [len(accounts) for accounts in await asyncio.gather(*(names(source) for _ in range(5)))]
    assert counts == sorted(counts)
    assert counts[-1] == 29


@pytest.mark.parametrize("half", ["", "accounts: [", "accounts:\n- name: ada\n", "just text"])
async def test_a_half_written_file_keeps_the_last_valid_one_and_shows_in_readiness(path: Path, half: str) -> None:
    source = AccountsFile(path)
    assert await source.check() is None
    write(path, half)
    assert await names(source) == ["ada"]
    problem = await source.check()
    assert problem is not None
    assert "stay in force" in problem
    write(path, content("ada", "grace"))
    assert await source.check() is None
    assert await names(source) == ["ada", "grace"]


async def test_a_removed_file_keeps_the_last_valid_one_and_shows_in_readiness(path: Path) -> None:
    source = AccountsFile(path)
    remove(path)
    assert await names(source) == ["ada"]
    assert await source.check() is not None


def test_an_unreadable_file_at_startup_ends_the_service(path: Path) -> None:
    path.write_text("")
    with pytest.raises(PermanentError, match="the file is empty"):
        AccountsFile(path)


async def test_the_first_account_takes_effect_at_once(path: Path) -> None:
    remove(path)
    source = AccountsFile(path, is_optional=True)
    assert await names(source) == []
    assert await source.check() is None
    write(path, content("ada"))
    assert await names(source) == ["ada"]


async def test_an_unreadable_first_file_denies_all_access(path: Path) -> None:
    remove(path)
    source = AccountsFile(path, is_optional=True)
    write(path, "accounts: [")
    assert await names(source) == []
    assert await source.check() is not None


def test_a_configured_file_must_exist(path: Path) -> None:
    path.unlink()
    with pytest.raises(PermanentError, match="cannot be read"):
        AccountsFile(path)
