"""Models with odd file names, converted from the file that their parser reads. Needs all toolchains of ONNX."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from modelconversion.errors import ConversionError
from modelconversion.toolchains.store import ToolchainStore
from modelformats.catalogue import extract_signature
from modelformats.errors import InvalidModelError
from modelformats.model_files import model_files
from toolchains.conversions import Conversion, check, signature

pytestmark = pytest.mark.timeout(900)  # the first run installs toolchains

DECLARED = {"scripted": signature(x=("float32", (-1, 4)), y=("float32", (-1, 5)))}
"""Properties that a model's file does not contain."""


CASES = [
    ("sklearn/table_models", "xgboost-classes", "XGBoost", "ONNX", "trees.json", "metrics.json"),
    ("torch/torch_models", "scripted", "TorchScript", "ONNX", "scripted.jit", "notes.pt"),
    ("torch/torch_models", "exported", "ExportedProgram", "ONNX", "weights", "other.pt2"),
    ("tf/tensorflow_models", "keras-of-dictionaries", "Keras", "SavedModel", "model.dat", "other.keras"),
    ("tf/tensorflow_models", "h5", "H5", "SavedModel", "MODEL.H5", "other.h5"),
    ("tf/tensorflow_models", "tflite", "TFLite", "ONNX", "model.bin", "other.tflite"),
    ("onnx/onnx_models", "perceptron", "ONNX", "OpenVINO", "net.ort", "other.onnx"),
]
"""Toolchain and program, model, source, target, the name of the model's file, the name of another file beside it."""


@dataclass(frozen=True)
class Odd:
    """A model with an odd file name, and its conversion."""

    directory: Path
    conversion: Conversion


@pytest.fixture(params=CASES, ids=lambda case: case[1])
def odd(request: pytest.FixtureRequest, models: Callable[[str, str], Path], tmp_path: Path) -> Odd:
    made_by, model, source, target, name, rival = request.param
    directory = tmp_path / "source"
    shutil.copytree(models(*made_by.split("/")) / model, directory)
    (usual,) = model_files(source, directory)
    usual.rename(directory / name)
    (directory / rival).write_text('{"about": "the model"}')
    declared = DECLARED.get(model) or extract_signature(source, directory)
    return Odd(directory, Conversion(model, source, target, declared))


@pytest.fixture
def result(tmp_path: Path) -> Path:
    (tmp_path / "result").mkdir()
    return tmp_path / "result"


async def test_a_model_with_an_odd_file_name_predicts_the_same(
    odd: Odd, result: Path, toolchains: ToolchainStore
) -> None:
    check(await odd.conversion.run(odd.directory, result, toolchains), largest=1e-5)


async def test_a_conversion_is_refused_with_the_message_of_the_parser(
    tmp_path: Path, result: Path, toolchains: ToolchainStore
) -> None:
    directory = tmp_path / "source"
    directory.mkdir()
    for name in ("a.onnx", "b.onnx"):
        (directory / name).write_bytes(b"")
    with pytest.raises(InvalidModelError) as unparsed:
        extract_signature("ONNX", directory)
    with pytest.raises(ConversionError) as refused:
        await Conversion("two", "ONNX", "OpenVINO", signature()).run(directory, result, toolchains)
    assert (refused.value.code, str(refused.value)) == ("invalid_model", str(unparsed.value))
