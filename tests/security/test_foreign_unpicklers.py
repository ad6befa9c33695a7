"""Files that MLflow, PyTorch and the converters unpickle are restricted to the same list."""

import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kleverproto.signatures import Signature
from modelconversion.errors import ConversionError
from modelconversion.execution import Limits, run_program
from modelconversion.workshop import request_for
from modelformats.scanning import scan_directory
from support.model_files import DATA, write
from support.pickle_attacks import command
from support.serving_runtimes import Runtime, toolchain_python
from support.toolchains import toolchain_store

CANNOT_LOAD = 3
GUARDED = """
import pickle, sys
from modelfiles.unpickling.allowlist import Allowlist
from modelfiles.unpickling.guard import guarded
content = open(sys.argv[1], "rb").read()
with guarded(Allowlist()):
    print({module}.loads(content))
"""
MLMODEL = """
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: 3.11.7
  sklearn:
    pickled_model: model.pkl
    serialization_format: {format}
    sklearn_version: 1.9.1
signature:
  inputs: '[{{"type": "tensor", "tensor-spec": {{"dtype": "float64", "shape": [-1, 4]}}}}]'
  outputs: '[{{"type": "tensor", "tensor-spec": {{"dtype": "int64", "shape": [-1]}}}}]'
"""


def guarded(module: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Unpickle with a foreign unpickler, under the guard."""
    code = GUARDED.format(module=module)
    return subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["pickle", "pickle._Unpickler.__module__ and __import__('cloudpickle')"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_the_guard_restricts_other_unpicklers_to_the_list(tmp_path: Path, module: str, protocol: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(command(tmp_path / "canary", protocol))
    done = guarded(f"({module})", file)
    assert "neither listed nor trusted" in done.stderr
    assert not (tmp_path / "canary").exists()
    file.write_bytes(pickle.dumps({1, 2}, protocol))
    assert guarded(f"({module})", file).stdout == "{1, 2}\n"


@pytest.mark.parametrize("serialization", ["cloudpickle", "pickle"])
def test_mlflow_runs_no_code_of_a_model(tmp_path: Path, serialization: str) -> None:
    canary = tmp_path / "canary"
    write(tmp_path / "model", "MLmodel", MLMODEL.format(format=serialization))
    write(tmp_path / "model", "model.pkl", command(canary))
    assert scan_directory(tmp_path / "model").verdict == "dangerous"
    server = Runtime("kleverserve.mlserver", toolchain_python("mlserver"), tmp_path)
    done = server.run_to_the_end(tmp_path, "MLflow")
    assert (done.returncode, canary.exists()) == (CANNOT_LOAD, False), done.stderr
    assert "neither listed nor trusted" in done.stderr


def exported(canary: Path) -> bytes:
    """A torch.export program whose sample inputs are a command, which PyTorch loads again without restrictions."""
    made = io.BytesIO()
    with zipfile.ZipFile(DATA / "exportedprogram" / "net.pt2") as source, zipfile.ZipFile(made, "w") as target:
        for name in source.namelist():
            target.writestr(name, _tensors(canary) if name.endswith(".pt") else source.read(name))
    return made.getvalue()


def _tensors(canary: Path) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("archive/data.pkl", command(canary, 2))
        archive.writestr("archive/byteorder", "little")
        archive.writestr("archive/version", "3\n")
    return made.getvalue()


def test_pytorch_runs_no_code_of_an_exported_program(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    write(tmp_path / "model", "net.pt2", exported(canary))
    assert scan_directory(tmp_path / "model").verdict == "dangerous"
    python = toolchain_python("torch")
    done = Runtime("kleverserve", python, tmp_path).run_to_the_end(tmp_path, "ExportedProgram")
    assert (done.returncode, canary.exists()) == (CANNOT_LOAD, False), done.stderr
    assert "neither listed nor trusted" in done.stderr


@pytest.mark.parametrize(
    ("toolchain", "program", "model_format", "file", "content"),
    [
        ("sklearn", "sklearn.to_onnx", "SKLearn", "model.pkl", command),
        ("torch", "torch.exportedprogram_to_onnx", "ExportedProgram", "net.pt2", exported),
    ],
    ids=["sklearn", "torch"],
)
async def test_a_conversion_runs_no_code_of_a_model(
    tmp_path: Path, toolchain: str, program: str, model_format: str, file: str, content: Callable[[Path], bytes]
) -> None:
    canary = Path("/tmp") / f"klever-canary-{os.getpid()}"  # noqa: S108 - where a confined program could write
    source = write(tmp_path / "source", file, content(canary))
    (tmp_path / "result").mkdir()
    python = await toolchain_store().ensure(toolchain, print)
    request = request_for(source, model_format, Signature(), {}, tmp_path / "result")
    with pytest.raises(ConversionError, match=r"would run|neither listed nor trusted") as failure:
        await run_program(python, program, request, limits=Limits(), on_line=print)
    assert failure.value.code == "invalid_model"
    assert not canary.exists()
