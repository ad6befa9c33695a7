"""`ormb inspect` of a directory: format, signature, scan and contradictions."""

import json
import os
import pickle
from pathlib import Path

import pytest
from click.testing import CliRunner

from ormb.cli.__main__ import cli
from ormb.errors import InvalidModelDirectoryError
from ormb.inspecting import inspect_directory
from support.model_files import write
from support.small_models import adder, broken

DECLARED = """format: ONNX
signature:
  inputs:
    - name: x
      dType: float64
      size: [-1]
"""


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.system, ("true",)


def test_a_model_directory_is_parsed_and_scanned(tmp_path: Path) -> None:
    report = inspect_directory(adder(tmp_path / "m", 1))
    assert (report.format, report.problem, report.scan.verdict, report.warnings) == ("ONNX", None, "clean", ())
    assert report.signature is not None
    assert report.signature.operators == {"Add": 1}
    assert report.size == (tmp_path / "m" / "model" / "model.onnx").stat().st_size


def test_bare_files_are_sufficient(tmp_path: Path) -> None:
    report = inspect_directory(adder(tmp_path / "m", 1) / "model")
    assert (report.format, report.signature is not None) == ("ONNX", True)


def test_the_authors_declarations_are_checked(tmp_path: Path) -> None:
    directory = adder(tmp_path / "m", 1)
    (directory / "ormbfile.yaml").write_text(DECLARED)
    (warning,) = inspect_directory(directory).warnings
    assert "float64" in warning


def test_a_damaged_model_is_reported_and_scanned_all_the_same(tmp_path: Path) -> None:
    directory = broken(tmp_path / "m")
    (directory / "model" / "extra.pkl").write_bytes(pickle.dumps(Bomb()))
    report = inspect_directory(directory)
    assert report.problem is not None
    assert (report.problem.code, report.scan.verdict) == ("invalid_model", "dangerous")


def test_files_of_no_format_are_reported_with_advice(tmp_path: Path) -> None:
    report = inspect_directory(write(tmp_path, "notes.txt", "nothing"))
    assert report.problem is not None
    assert "write `format:` into ormbfile.yaml" in report.problem.message


def test_pointers_are_reported_though_they_have_no_format(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    report = inspect_directory(write(tmp_path, "weights", pointer))
    assert report.problem is not None
    assert (report.problem.code, "`git lfs pull`" in report.problem.message) == ("invalid_model", True)


def test_warnings_of_the_parser_are_shown_beside_contradictions(tmp_path: Path) -> None:
    directory = adder(tmp_path / "m", 1)
    (directory / "ormbfile.yaml").write_text(DECLARED)
    write(directory / "model", "plot.png", "version https://git-lfs.github.com/spec/v1\n")
    parsed, declared = inspect_directory(directory).warnings
    assert parsed.startswith("plot.png is a pointer of Git LFS")
    assert "float64" in declared


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelDirectoryError, match="there is no directory"):
        inspect_directory(tmp_path / "nowhere")


def test_the_command_prints_lines_or_json(tmp_path: Path) -> None:
    directory = str(adder(tmp_path / "m", 1))
    lines = CliRunner().invoke(cli, ["inspect", directory])
    assert lines.exit_code == 0
    assert "format:    ONNX" in lines.stdout
    assert "x: float32 [N]" in lines.stdout
    assert "parameters: 1 (float32 4 bytes)" in lines.stdout
    printed = json.loads(CliRunner().invoke(cli, ["inspect", "--json", directory]).stdout)
    assert (printed["format"], printed["signature"]["operators"]) == ("ONNX", {"Add": 1})


def test_the_command_fails_if_a_model_cannot_be_parsed(tmp_path: Path) -> None:
    answer = CliRunner().invoke(cli, ["inspect", str(broken(tmp_path / "m"))])
    assert answer.exit_code == 1
    assert "Error: invalid_model:" in answer.stderr


def test_an_unverified_model_is_reported_as_such(tmp_path: Path) -> None:
    directory = adder(tmp_path / "m", 1)
    (directory / "ormbfile.yaml").write_text("format: ONNX\nlabels: {klever.dev/unverified: the check crashed}\n")
    (warning,) = inspect_directory(directory).warnings
    assert "the check crashed" in warning


def test_the_trust_of_a_project_in_a_model_is_shown(tmp_path: Path) -> None:
    write(tmp_path, "model.pkl", b"cmy.models\nDoubling\n.")
    shown = CliRunner().invoke(cli, ["inspect", str(tmp_path)]).output
    assert "untrusted (klever" in shown
    assert "--trust my.models:Doubling" in shown
