"""Writing ormbfile.yaml from training code."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
import sklearn

from ormb import trained, write_modelfile
from ormb.modelfile import load_modelfile


def git(directory: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(directory), *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text("print('trained')\n")
    for line in (
        "init -q",
        "config user.name Ada",
        "config user.email ada@example.com",
        "remote add origin git@example.com:ada/iris",
        "add .",
        "commit -q -m first --no-gpg-sign",
    ):
        git(code, *line.split())
    return code


def test_training_metadata_survive_a_round_trip(repository: Path, tmp_path: Path) -> None:
    metadata = trained(
        "SKLearn",
        framework=sklearn,
        metrics={"loss": 0.1, "accuracy": 0.97},
        hyper_parameters={"C": 1.0, "penalty": None},
        inputs=[("X", "float64", (-1, 4))],
        outputs=[("y", "int64", (-1,))],
        labels={"team": "a"},
        code=repository,
    )
    path = write_modelfile(metadata, tmp_path / "model-directory")
    modelfile = load_modelfile(path.read_text())
    assert modelfile == metadata
    assert modelfile.framework == f"scikit-learn {version('scikit-learn')}"
    assert [(metric.name, metric.value) for metric in modelfile.metrics["training"]] == [
        ("accuracy", "0.97"),
        ("loss", "0.1"),
    ]
    assert modelfile.author == "Ada <ada@example.com>"
    assert modelfile.training is not None
    assert modelfile.training.git is not None
    assert modelfile.training.git.repository == "git@example.com:ada/iris"
    assert len(modelfile.training.git.revision or "") == 40
    assert modelfile.training.git.description is None


def test_uncommitted_changes_are_reported(repository: Path) -> None:
    (repository / "train.py").write_text("print('changed')\n")
    modelfile = trained("SKLearn", code=repository)
    assert modelfile.training is not None
    assert modelfile.training.git is not None
    assert modelfile.training.git.description == "with changes that were not committed"


def test_code_without_git_has_no_revision(tmp_path: Path) -> None:
    modelfile = trained("ONNX", framework="torch 2.9", code=tmp_path)
    assert (modelfile.training, modelfile.framework, modelfile.signature, modelfile.metrics) == (
        None,
        "torch 2.9",
        None,
        {},
    )
