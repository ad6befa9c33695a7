"""Credentials in directories, one for each container, and the commands that log a machine in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from klever.errors import PlatformError
from klever.platform.container_login import commands
from klever.platform.credential_files import distribute
from klever.platform.home import Home


def contents(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def test_each_recipient_has_its_own_credentials_only(tmp_path: Path) -> None:
    distribute(Home(tmp_path / "home"), tmp_path)
    files = set(contents(tmp_path)) - {each for each in contents(tmp_path) if each.startswith("home/")}
    assert files == {
        "nats/nats-server.conf",
        *("topology/topology.nk", "topology/token"),
        *("registry/registry.nk", "registry/token", "registry/registry-password"),
        *("jobrunner/jobrunner.nk", "jobrunner/token", "jobrunner/registry-password"),
        *("deployer/deployer.nk", "deployer/token", "deployer/registry-password"),
        *("gateway/gateway.nk", "gateway/token"),
        "prometheus/token",
        "grafana/token",
    }
    assert contents(tmp_path / "registry")["registry.nk"].strip() not in contents(tmp_path / "nats")["nats-server.conf"]


def test_files_are_private(tmp_path: Path) -> None:
    distribute(Home(tmp_path / "home"), tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_credentials_that_exist_are_kept(tmp_path: Path) -> None:
    distribute(Home(tmp_path / "home"), tmp_path)
    before = contents(tmp_path)
    (tmp_path / "gateway" / "token").unlink()
    distribute(Home(tmp_path / "home"), tmp_path)
    assert contents(tmp_path) == before


def test_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    distribute(home, tmp_path)
    home.token.chmod(0o644)
    with pytest.raises(PlatformError, match="not a file that only you can read"):
        distribute(home, tmp_path)


def run(module: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", f"klever.platform.{module}", *arguments]
    environment = os.environ | {"KLEVER_HOME": str(home)}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def test_container_without_a_volume_exits_with_a_sentence(tmp_path: Path) -> None:
    completed = run("credential_files", tmp_path / "home", str(tmp_path / "absent"))
    assert completed.returncode == 1
    assert completed.stderr.startswith("the credentials cannot be written: ")
    assert len(completed.stderr.splitlines()) == 1


def test_login_before_the_first_start_prints_the_command_that_starts(tmp_path: Path) -> None:
    completed = run("container_login", tmp_path, "http://127.0.0.1:8080", "localhost:5000")
    assert (completed.returncode, completed.stdout) == (1, "")
    assert completed.stderr.startswith("the credentials cannot be read: ")
    assert completed.stderr.endswith("start the platform first: docker compose up --detach --wait\n")


def test_the_program_reports_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("known to others")
    (tmp_path / "token").chmod(0o644)
    completed = run("credential_files", tmp_path, str(tmp_path))
    assert completed.returncode == 1
    [line] = completed.stderr.splitlines()
    assert line.startswith(
        f"the credentials cannot be written: {tmp_path / 'token'} is not a file that only you can read"
    )


def test_commands_set_the_gateway_and_log_in_to_the_registry(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    distribute(home, tmp_path)
    played = 'ormb() { printf "%s\\n" "$*"; cat; }\n'
    script = f"{played}{commands(home, 'http://127.0.0.1:8080', 'localhost:5000')}echo $KLEVER_SERVER $KLEVER_TOKEN"
    assert subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True).stdout.splitlines() == [
        "login localhost:5000 --username klever --password-stdin",
        home.registry_password.read_text().strip(),
        f"http://127.0.0.1:8080 {home.token.read_text().strip()}",
    ]
