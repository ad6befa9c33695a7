"""Unsafe or invalid settings are refused at startup, with advice."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from klever_registry.settings import RegistrySettings


def settings(**values: object) -> RegistrySettings:
    return RegistrySettings.model_validate(values)


def test_the_registry_serves_only_on_loopback_by_default() -> None:
    assert settings(open=True).address == "127.0.0.1:5000"
    assert settings(host="::1", open=True).address == "[::1]:5000"
    assert settings(host="localhost", open=True).address == "localhost:5000"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "registry"])  # noqa: S104 - refused
def test_an_address_that_others_can_reach_must_be_allowed(host: str) -> None:
    with pytest.raises(ValidationError, match="KLEVER_REGISTRY_ACCOUNTS"):
        settings(host=host, public_address="registry:5000", open=True)
    assert settings(host=host, public_address="registry:5000", accounts="accounts.yaml").address == "registry:5000"


def test_open_access_must_be_requested() -> None:
    with pytest.raises(ValidationError, match="or else KLEVER_REGISTRY_OPEN=1"):
        settings()
    with pytest.raises(ValidationError, match="or else KLEVER_REGISTRY_OPEN=1"):
        settings(open=True, accounts="accounts.yaml")
    assert settings(platform_password_file="password").platform_password_file == Path("password")


@pytest.mark.parametrize("values", [{"port": 0, "open": True}, {"host": "0.0.0.0", "accounts": "accounts.yaml"}])  # noqa: S104
def test_the_address_for_pulls_must_be_known(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="PUBLIC_ADDRESS"):
        settings(**values)


def test_the_service_exits_with_a_sentence_if_a_setting_is_wrong(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "klever_registry"],
        env={"KLEVER_HOME": str(tmp_path), "KLEVER_REGISTRY_HOST": "0.0.0.0", "KLEVER_REGISTRY_OPEN": "1"},  # noqa: S104 - refused
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 1
    assert "KLEVER_REGISTRY_ACCOUNTS=<file>" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_service_exits_with_a_sentence_if_the_accounts_cannot_be_read(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.yaml"
    accounts.write_text("accounts: 7\n")
    ended = subprocess.run(
        [sys.executable, "-m", "klever_registry"],
        env={"KLEVER_HOME": str(tmp_path), "KLEVER_REGISTRY_ACCOUNTS": str(accounts)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 1
    assert f"the accounts in {accounts} cannot be read" in ended.stderr
    assert "Traceback" not in ended.stderr
