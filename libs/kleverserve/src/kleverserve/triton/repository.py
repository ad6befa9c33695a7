"""Creates the directories for Triton: a model repository with one model, and the python backend."""

import os
import shutil
from pathlib import Path

import kleverserve
import modelfiles

from .config import TRITON_VERSION
from .installation import Installation

MODEL_FILE = """\
import sys

sys.path[:0] = {paths!r}

from kleverserve.triton.backend import TritonPythonModel
"""


def write_repository(directory: Path, *, name: str, config: str) -> Path:
    """Write the model repository below `directory`. Returns its path."""
    repository = directory / "models"
    version = repository / name / str(TRITON_VERSION)
    version.mkdir(parents=True)
    (repository / name / "config.pbtxt").write_text(config)
    # processes of the backend ignore PYTHONPATH
    paths = sorted({str(Path(path).parent) for package in (kleverserve, modelfiles) for path in package.__path__})
    (version / "model.py").write_text(MODEL_FILE.format(paths=paths))
    return repository


def write_backends(directory: Path, installation: Installation) -> Path:
    """Put the python backend and the stub for this Python below `directory`. Returns the path for Triton."""
    backends = directory / "backends"
    shutil.copytree(installation.backend, backends / "python", ignore=shutil.ignore_patterns("__pycache__"))
    _copy_program(installation.stub, backends / "python" / installation.stub.name)
    return backends


def _copy_program(source: Path, target: Path) -> None:
    """Copy an executable file. It is created with its mode, because the sandbox does not allow changing modes."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o755)
    with source.open("rb") as program, os.fdopen(descriptor, "wb") as copy:
        shutil.copyfileobj(program, copy)
