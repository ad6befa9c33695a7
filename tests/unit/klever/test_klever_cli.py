"""The errors that a user sees: a sentence, an exit code, never a traceback."""

import json
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from klever.cli.__main__ import cli
from klever.cli.commands.projects import merged_trust
from support.processes import free_port


def run(*arguments: str, home: Path, server: str | None = None) -> Result:
    environment = {"KLEVER_HOME": str(home), "KLEVER_SERVER": server, "KLEVER_PORT": None, "KLEVER_PORTS": None}
    return CliRunner().invoke(cli, list(arguments), env=environment)


def commands(group: click.Group, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    paths: list[tuple[str, ...]] = []
    for name, command in group.commands.items():
        path = (*prefix, name)
        paths += commands(command, path) if isinstance(command, click.Group) else [path]
    return paths


def test_a_platform_that_is_not_running_is_reported_with_the_command_to_start_it(tmp_path: Path) -> None:
    result = run("models", "list", home=tmp_path, server=f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 1
    assert "klever up" in result.stderr
    assert "Traceback" not in result.stderr


def find_command(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_the_examples_in_a_commands_help_can_be_parsed(path: tuple[str, ...]) -> None:
    start = " ".join(("klever", *path))
    lines = [line.strip() for line in (find_command(path).help or "").splitlines()]
    examples = [line for line in lines if line == start or line.startswith(f"{start} ")]
    assert examples
    for example in examples:
        find_command(path).make_context(path[-1], shlex.split(example.removeprefix(start)))


@pytest.mark.parametrize("reference", ["mymodel", "library/My Model:v1", "library/mymodel:"])
def test_an_invalid_reference_is_refused_with_the_syntax(tmp_path: Path, reference: str) -> None:
    result = run("deploy", reference, home=tmp_path)
    assert result.exit_code == 2
    assert "write project/model:version" in result.stderr


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("x", "has no name of an input"),
        ("x=@/no/such/file.json", "/no/such/file.json cannot be read"),
        ("x=[1,", "are not JSON"),
    ],
)
def test_a_bad_input_is_explained(tmp_path: Path, given: str, complaint: str) -> None:
    result = run("predict", "m", "--input", given, home=tmp_path)
    assert result.exit_code == 1
    assert complaint in result.stderr


def test_an_existing_example_is_not_overwritten(tmp_path: Path) -> None:
    directory = str(tmp_path / "mymodel")
    assert run("example", directory, home=tmp_path).output == f"{directory}: written\n"
    assert (tmp_path / "mymodel" / "model" / "model.onnx").exists()
    again = run("example", directory, home=tmp_path)
    assert (again.exit_code, "File exists" in again.stderr) == (1, True)


def test_up_on_a_port_in_use_names_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        result = run("up", "--ports", "auto", "--port", f"gateway={port}", home=tmp_path)
    assert result.exit_code == 1
    assert f"port {port}, wanted for the gateway" in result.stderr


@pytest.mark.parametrize("text", ["gateway", "gateway=abc", "gateway=70000", "nobody=1", "gateway=-1"])
def test_up_with_an_invalid_port_gives_the_syntax(tmp_path: Path, text: str) -> None:
    result = run("up", "--port", text, home=tmp_path)
    assert result.exit_code == 1
    assert "write NAME=NUMBER" in result.stderr


def test_an_unwritable_home_is_an_error_message(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    result = run("up", "--ports", "auto", home=blocker / "home")
    assert result.exit_code == 1
    assert result.stderr.rstrip().splitlines()[-1].startswith(f"Error: {blocker}")


def test_status_without_a_platform_is_reported_and_fails(tmp_path: Path) -> None:
    assert "klever up" in run("status", home=tmp_path).output
    result = run("status", "--json", home=tmp_path)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["parts"] == []


def test_status_survives_an_invalid_state_file(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "platform.json").write_text("{")
    assert run("status", home=tmp_path).exit_code == 1


def test_down_without_a_platform_is_not_an_error(tmp_path: Path) -> None:
    result = run("down", home=tmp_path)
    assert (result.exit_code, result.output) == (0, f"No platform runs with {tmp_path.resolve()}.\n")


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_every_command_shows_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert f"\n  klever {' '.join(path)}" in result.output


def test_help_loads_no_http_client() -> None:
    code = "import sys, klever.cli.__main__; sys.exit(' '.join(sys.modules.keys() & {'aiohttp', 'rich', 'onnx'}))"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).stderr == b"\n"


def test_toolchains_are_listed_whether_installed_or_not(tmp_path: Path) -> None:
    result = run("toolchain", "list", "--directory", str(tmp_path / "none"), "--json", home=tmp_path)
    listed = {each["name"]: each["installed"] for each in json.loads(result.stdout)}
    assert listed["onnx"] is False
    assert not any(listed.values())


@pytest.mark.parametrize("verb", ["install", "remove"])
def test_an_unknown_toolchain_is_refused_with_the_known_ones(tmp_path: Path, verb: str) -> None:
    result = run("toolchain", verb, "cobol", "--directory", str(tmp_path / "none"), home=tmp_path)
    assert result.exit_code == 1
    assert "toolchain 'cobol' not found; the toolchains are: " in result.stderr


def test_an_unchanged_policy_sends_no_request(tmp_path: Path) -> None:
    result = run("projects", "policy", "set", "library", home=tmp_path)
    assert result.exit_code == 2
    assert "nothing to change" in result.stderr


@pytest.mark.parametrize("name", ["os:system", "my.module", "my.module:A.b"])
def test_an_invalid_trust_sends_no_request(tmp_path: Path, name: str) -> None:
    result = run("projects", "policy", "set", "library", "--trust", name, home=tmp_path)
    assert result.exit_code == 2
    assert "cannot be trusted" in result.stderr or "write it as my.module:MyTransformer" in result.stderr


def test_trust_accumulates_until_it_is_removed() -> None:
    assert merged_trust(("a:B",), ("c:D", "a:B")) == ("a:B", "c:D")
    assert merged_trust(("a:B",), ("none",)) == ()
    assert merged_trust(("a:B",), ("none", "c:D")) == ("c:D",)
    assert merged_trust(("a:B",), ()) == ("a:B",)
