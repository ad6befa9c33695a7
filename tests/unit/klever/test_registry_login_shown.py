"""`klever registry login`: the login of other tools to the registry of this home's platform."""

import json
import os
import shlex
from pathlib import Path

from click.testing import CliRunner, Result

from klever.cli.__main__ import cli
from klever.platform.home import Home
from klever.platform.plan import Ports, urls
from klever.platform.state import PlatformState, Running


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["registry", "login", *arguments], env={"KLEVER_HOME": str(home)})


def running(directory: Path) -> Home:
    """A home whose platform is this process."""
    home = Home(directory)
    home.create()
    PlatformState(Running.from_pid(os.getpid()), urls(Ports(registry=5001)), {}, ready=True).write(home.state)
    home.registry_password.parent.mkdir()
    home.registry_password.write_text("s3cret")
    return home


def test_the_command_shows_the_address_and_the_file_but_not_the_password(tmp_path: Path) -> None:
    home = running(tmp_path / "my home")
    shown = run(home.path)
    command = f"docker login 127.0.0.1:5001 -u klever --password-stdin < {shlex.quote(str(home.registry_password))}"
    assert (shown.exit_code, shown.stdout) == (0, f"{command}\n")
    assert "s3cret" not in shown.output
    assert json.loads(run(home.path, "--json").stdout) == {
        "registry": "127.0.0.1:5001",
        "username": "klever",
        "passwordFile": str(home.registry_password),
    }


def test_a_missing_platform_is_reported_with_the_command_to_start_it(tmp_path: Path) -> None:
    shown = run(tmp_path)
    assert (shown.exit_code, "start it with `klever up`" in shown.output) == (1, True)


def test_a_chosen_accounts_file_must_exist_before_the_platform_starts(tmp_path: Path) -> None:
    environment = {"KLEVER_HOME": str(tmp_path / "home"), "KLEVER_REGISTRY_ACCOUNTS": str(tmp_path / "missing.yaml")}
    refused = CliRunner().invoke(cli, ["up", "--ports", "auto"], env=environment)
    assert (refused.exit_code, "missing.yaml, which does not exist" in refused.output) == (1, True)
