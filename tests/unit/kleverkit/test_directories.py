"""Every command and every service uses the same directories."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

from klever.cli.commands.toolchains import toolchain
from klever.platform.home import Home
from klever_deployer.settings import DeployerSettings
from klever_gateway.settings import GatewaySettings
from klever_jobrunner.settings import JobrunnerSettings
from klever_registry.settings import RegistrySettings
from kleverkit.directories import home_directory, toolchains_directory
from kleverkit.errors import PermanentError

VARIABLES = ("KLEVER_HOME", "KLEVER_TOOLCHAINS", "XDG_DATA_HOME", "XDG_CACHE_HOME")


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The home directory of a user without any settings."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def state_directories() -> dict[str, Path]:
    return {
        "registry": RegistrySettings(open=True).data_dir,
        "jobrunner": JobrunnerSettings().work_dir,
        "deployer": DeployerSettings().work_dir,
        "gateway": GatewaySettings(open=True).data_dir,
    }


def test_services_and_commands_share_the_default_home() -> None:
    home = Home.default()
    assert home.path == home_directory()
    assert state_directories() == {part: home.of(part) for part in state_directories()}
    assert DeployerSettings().secrets == home.secrets


@pytest.mark.skipif(sys.platform != "linux", reason="XDG directories")
def test_xdg_directories_are_the_default_on_linux(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home_directory() == user / ".local/share/klever"
    assert toolchains_directory() == user / ".cache/klever/toolchains"
    monkeypatch.setenv("XDG_DATA_HOME", str(user / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(user / "cache"))
    assert state_directories()["registry"] == user / "data/klever/registry"
    assert DeployerSettings().toolchains == JobrunnerSettings().toolchains == user / "cache/klever/toolchains"


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = state_directories()
    monkeypatch.setenv("KLEVER_HOME", "")
    assert state_directories() == expected


def test_a_relative_home_becomes_absolute(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(user)
    monkeypatch.setenv("KLEVER_HOME", "here")
    assert state_directories()["jobrunner"] == user / "here/jobrunner"


def test_the_command_line_uses_the_toolchains_of_the_services() -> None:
    (option,) = [each for each in toolchain.commands["list"].params if each.name == "directory"]
    assert option.get_default(click.Context(toolchain)) == DeployerSettings().toolchains


def test_a_user_without_a_home_directory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KLEVER_HOME", "~no-such-user/klever")
    with pytest.raises(PermanentError, match="set KLEVER_HOME to an absolute path"):
        home_directory()


@pytest.mark.parametrize("command", [("klever_jobrunner",), ("klever.cli", "status")])
def test_commands_exit_with_one_line_without_home_directory(command: tuple[str, ...]) -> None:
    exited = subprocess.run(
        [sys.executable, "-m", *command],
        env={"KLEVER_HOME": "~no-such-user/klever"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert exited.returncode == 1
    assert "Traceback" not in exited.stderr
    assert "set KLEVER_HOME to an absolute path" in exited.stderr
