"""The decisions of the launchers of Triton and MLServer before anything starts."""

import os
import socket
import sys
from pathlib import Path

import pytest

from kleverserve.errors import ModelLoadError
from kleverserve.mlserver.artifacts import find_artifact
from kleverserve.ports import port_or_free
from kleverserve.triton.__main__ import parse_arguments
from kleverserve.triton.installation import LIBPYTHON, Installation, child_environment, libpython_folders


def model(directory: Path, *names: str) -> Path:
    for name in names:
        path = directory / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return directory


@pytest.mark.parametrize(
    ("model_format", "files", "artifact"),
    [
        ("SKLearn", ["iris.pkl", "notes.txt"], "iris.pkl"),
        ("XGBoost", ["trees.ubj", "deep/others.ubj"], "trees.ubj"),
        ("MLflow", ["MLmodel", "model.skops", "deep/MLmodel"], "."),
        ("MLflow", ["artifacts/MLmodel", "artifacts/model.skops"], "artifacts"),
    ],
)
def test_mlserver_gets_the_only_artifact(tmp_path: Path, model_format: str, files: list[str], artifact: str) -> None:
    assert find_artifact(model(tmp_path, *files), model_format) == tmp_path / "model" / artifact


def test_several_artifacts_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"expected one .*, found 2: a\.joblib, b\.pkl"):
        find_artifact(model(tmp_path, "a.joblib", "b.pkl"), "SKLearn")


def test_mlserver_names_its_supported_formats(tmp_path: Path) -> None:
    with pytest.raises(
        ModelLoadError, match=r"does not serve ONNX; the formats are: CatBoost, LightGBM, MLflow, SKLearn, XGBoost"
    ):
        find_artifact(model(tmp_path, "model.onnx"), "ONNX")


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b", 'a"b'])
def test_a_name_that_is_not_a_folder_name_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    about = ["--model-dir", ".", "--format", "ONNX", "--version", "v1"]
    with pytest.raises(SystemExit) as ended:
        parse_arguments([*about, "--name", name])
    assert ended.value.code == 2
    assert "--name must consist of letters" in capsys.readouterr().err
    assert parse_arguments([*about, "--name", "iris-2.b_c"]).name == "iris-2.b_c"


def test_triton_finds_this_python_first_and_keeps_the_given_paths() -> None:
    installation = Installation(Path("s"), Path("b"), Path("t"), libraries=(Path("/python/lib"), Path("/triton.libs")))
    given = {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/given", "LANG": "C"}
    environment = child_environment(installation, given, threads=3)
    assert environment == {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin",
        "LD_LIBRARY_PATH": "/python/lib:/triton.libs:/given",
        "OMP_NUM_THREADS": "3",
        "LANG": "C",
    }


def test_an_empty_library_path_does_not_add_the_current_directory() -> None:
    installation = Installation(Path("s"), Path("b"), Path("t"), libraries=(Path("/triton.libs"),))
    assert child_environment(installation, {}, threads=1)["LD_LIBRARY_PATH"] == "/triton.libs"


def test_this_pythons_own_library_precedes_the_systems(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.mkdir()
    full.mkdir()
    (full / LIBPYTHON).touch()
    assert libpython_folders([empty, full], is_known=lambda _: True) == (full,)
    assert libpython_folders([empty], is_known=lambda library: library == LIBPYTHON) == ()


def test_a_missing_library_is_reported_with_the_package_to_install(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"needs libpython3\.\d+\.so\.1\.0, .* apt install libpython3\."):
        libpython_folders([tmp_path], is_known=lambda _: False)


def test_port_0_is_replaced_by_a_free_one_and_a_port_in_use_is_refused() -> None:
    assert port_or_free("127.0.0.1", 0) > 0
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        port_or_free("127.0.0.1", taken.getsockname()[1])
