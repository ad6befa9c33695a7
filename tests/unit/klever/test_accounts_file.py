"""`klever registry account` writes the file that the registry reads."""

import stat
from pathlib import Path

import bcrypt
import pytest
from click.testing import CliRunner, Result

from klever import accounts
from klever.cli.__main__ import main as _main  # noqa: F401 - registers the commands
from klever.cli.app import cli
from kleverproto.accounts import Right


def run(file: Path, *arguments: str, answer: str = "s3cret") -> Result:
    return CliRunner().invoke(cli, ["registry", "account", *arguments, "--file", str(file)], input=f"{answer}\n")


def test_an_account_is_stored_with_its_rights_and_password_hash(tmp_path: Path) -> None:
    file = tmp_path / "home" / "accounts.yaml"
    assert run(file, "add", "ci", "--push", "library", "--pull", "*", "--password-stdin").exit_code == 0
    account = accounts.read(file).find("ci")
    assert account is not None
    assert account.projects == {"library": Right.PUSH, "*": Right.PULL}
    assert bcrypt.checkpw(b"s3cret", account.password_hash.encode())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_accounts_are_listed_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "accounts.yaml"
    run(file, "add", "ci", "--push", "library", "--password-stdin")
    assert run(file, "anonymous", "public").exit_code == 0
    listed = run(file, "list").output
    assert "ci" in listed
    assert "push library" in listed
    assert "pull public" in listed
    assert run(file, "remove", "ci").exit_code == 0
    assert accounts.read(file).accounts == ()
    assert accounts.read(file).anonymous_pull == ("public",)


@pytest.mark.parametrize(
    ("arguments", "password", "complaint"),
    [
        (("add", "ci", "--password-stdin"), "x", "--pull PROJECT or --push PROJECT"),
        (("add", "a:b", "--pull", "*", "--password-stdin"), "x", "name: letters, digits and . _"),
        (("add", "ci", "--pull", "Not A Project", "--password-stdin"), "x", "Not A Project: a project's name"),
        (("add", "ci", "--pull", "*", "--password-stdin"), "", "1 to 72 bytes"),
        (("add", "ci", "--pull", "*", "--password-stdin"), "x" * 73, "1 to 72 bytes"),
        (("remove", "nobody"), "", "account 'nobody' not found"),
        (("anonymous", "A/B"), "", "a project's name in lower case"),
    ],
    ids=["no right", "colon", "bad project", "no password", "long password", "unknown", "bad anonymous"],
)
def test_an_invalid_account_is_refused_with_a_sentence(
    tmp_path: Path, arguments: tuple[str, ...], password: str, complaint: str
) -> None:
    result = run(tmp_path / "accounts.yaml", *arguments, answer=password)
    assert result.exit_code == 1
    assert complaint in result.output
    assert not (tmp_path / "accounts.yaml").exists()


def test_a_broken_file_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "accounts.yaml"
    file.write_text("accounts: 7\n")
    assert "cannot read the accounts" in run(file, "add", "ci", "--pull", "*", "--password-stdin").output
    assert file.read_text() == "accounts: 7\n"


def quota(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["registry", "quota", *arguments, "--file", str(file)])


def test_a_quota_is_set_listed_and_removed(tmp_path: Path) -> None:
    file = tmp_path / "accounts.yaml"
    run(file, "add", "ci", "--push", "library", "--password-stdin")
    assert quota(file, "set", "library", "10Gi").exit_code == 0
    assert quota(file, "set", "*", "1k").exit_code == 0
    known = accounts.read(file)
    assert (known.quota_of("library"), known.quota_of("other"), known.find("ci") is None) == (10 * 1024**3, 1000, False)
    assert "10737418240" in quota(file, "list").output
    assert quota(file, "set", "*", "none").exit_code == 0
    assert accounts.read(file).quota_of("other") is None


@pytest.mark.parametrize(
    ("project", "size", "complaint"),
    [("library", "much", "not a number of bytes"), ("library", "0", "is zero"), ("A/B", "1Gi", "A/B")],
)
def test_an_invalid_quota_is_refused_with_a_sentence(tmp_path: Path, project: str, size: str, complaint: str) -> None:
    file = tmp_path / "accounts.yaml"
    run(file, "add", "ci", "--push", "library", "--password-stdin")
    refused = quota(file, "set", project, size)
    assert (refused.exit_code, complaint in refused.output) == (1, True)


def test_a_quota_may_be_set_before_there_are_accounts(tmp_path: Path) -> None:
    file = tmp_path / "accounts.yaml"
    assert quota(file, "set", "library", "1Gi").exit_code == 0
    known = accounts.read(file)
    assert (known.accounts, known.quotas) == ((), {"library": 2**30})
