"""The command line: its output and its errors."""

import json
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ormb.cli.__main__ import cli
from ormb.cli.app import errors_as_lines
from support.processes import free_port
from support.small_models import adder

REFERENCE = "localhost:5000/library/adder:v1"


@pytest.fixture
def ormb(tmp_path: Path) -> "Ormb":
    return Ormb(tmp_path)


class Ormb:
    """The command with a separate store."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str) -> Result:
        environment = {"ORMB_ROOTPATH": str(self.home / "store"), "DOCKER_CONFIG": str(self.home / "docker")}
        return CliRunner().invoke(cli, arguments, env=environment, prog_name="ormb")

    def ok(self, *arguments: str) -> str:
        result = self(*arguments)
        assert result.exit_code == 0, result.output
        return result.output


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help_with_its_purpose_and_an_example(ormb: "Ormb", name: str) -> None:
    usage, _, text = ormb.ok(name, "--help").partition("\n")
    assert usage.startswith(f"Usage: ormb {name}")
    about, *rest = text.strip().splitlines()
    assert about
    assert any(line.strip().startswith(f"ormb {name}") for line in rest)


def test_a_model_is_saved_listed_tagged_exported_and_removed(ormb: Ormb, tmp_path: Path) -> None:
    saved = ormb.ok("save", str(adder(tmp_path / "adder", 1)), REFERENCE)
    assert "v1: saved" in saved
    assert "ONNX" in saved
    ormb.ok("tag", REFERENCE, "localhost:5000/library/adder:stable")
    listed = ormb.ok("models")
    assert [line.split()[1] for line in listed.splitlines()] == ["TAG", "stable", "v1"]
    ormb.ok("export", REFERENCE, "-d", str(tmp_path / "out"))
    assert (tmp_path / "out" / "model" / "model.onnx").exists()
    assert ormb.ok("remove", REFERENCE) == "v1: removed\n"
    assert [model["ref"] for model in json.loads(ormb.ok("models", "--json"))] == [
        "localhost:5000/library/adder:stable"
    ]


def test_two_models_are_compared_and_the_store_is_pruned(ormb: Ormb, tmp_path: Path) -> None:
    other = "localhost:5000/library/adder:v2"
    ormb.ok("save", str(adder(tmp_path / "1", 1)), REFERENCE)
    ormb.ok("save", str(adder(tmp_path / "2", 2)), other)
    result = ormb("diff", "--local", "--json", REFERENCE, other)
    assert result.exit_code == 1
    assert [change["name"] for change in json.loads(result.output)] == ["model/model.onnx"]
    assert ormb.ok("diff", "--local", REFERENCE, REFERENCE) == ""
    (tmp_path / "store" / "store" / "ingest" / "left").write_bytes(bytes(2048))
    assert ormb.ok("prune") == "2.0KB freed\n"
    assert len(json.loads(ormb.ok("models", "--json"))) == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_works(ormb: Ormb, shell: str) -> None:
    assert "_ORMB_COMPLETE" in ormb.ok("completion", shell)


def test_json_output_is_exactly_one_document(ormb: Ormb, tmp_path: Path) -> None:
    saved = json.loads(ormb.ok("save", "--json", str(adder(tmp_path / "adder", 1)), REFERENCE))
    inspected = json.loads(ormb.ok("inspect", "--local", "--json", REFERENCE))
    assert saved == inspected
    assert saved["digest"].startswith("sha256:")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("push", REFERENCE), "is not in the local store"),
        (("export", REFERENCE), "is not in the local store"),
        (("remove", REFERENCE), "is not in the local store"),
        (("save", "nowhere", REFERENCE), "nowhere does not exist"),
        (("save", ".", "adder"), "names no registry"),
        (("push", "a", "b", REFERENCE), "push takes a reference, or a directory and a reference"),
        (("pull", "localhost:5000/library/adder"), "names no version"),
    ],
)
def test_a_mistake_is_a_sentence_and_an_exit_code(ormb: Ormb, arguments: tuple[str, ...], says: str) -> None:
    result = ormb(*arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, SystemExit)
    assert says in " ".join(result.output.split())


def test_an_unreachable_registry_is_reported_at_once(ormb: Ormb) -> None:
    result = ormb("pull", f"localhost:{free_port()}/library/adder:v1")
    assert result.exit_code == 1
    assert "does not answer" in result.output
    assert "klever up" in result.output


def test_the_version_is_printed(ormb: Ormb) -> None:
    assert ormb.ok("version").startswith("Version:")


def test_removing_a_missing_model_is_reported_with_the_existing_ones(ormb: Ormb) -> None:
    result = ormb("remove", REFERENCE)
    assert result.exit_code == 1
    assert "nothing to remove: `ormb models` lists what is there" in result.output


def test_omitted_content_is_a_line_on_standard_error(tmp_path: Path) -> None:
    environment = {"ORMB_ROOTPATH": str(tmp_path / "ormb"), "ORMB_CA_FILE": str(tmp_path / "gone.pem")}
    arguments = ["save", str(adder(tmp_path / "adder", 1)), "localhost:5000/library/adder:v1"]
    done = CliRunner().invoke(cli, arguments, env=environment)
    assert done.exit_code == 0
    assert f"warning: $ORMB_CA_FILE: cannot use {tmp_path}/gone.pem: No such file or directory" in done.stderr
    asked = CliRunner().invoke(cli, [*arguments, "--ca-file", str(tmp_path / "gone.pem")], env=environment)
    assert asked.exit_code == 2
    assert "cannot use" in asked.stderr


def test_a_warning_of_the_library_is_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with errors_as_lines():
        logging.getLogger("ormb.anything").critical("the proxy is slow")
    assert capsys.readouterr().err == "warning: the proxy is slow\n"
