"""Models with odd file names, served from the file that their parser reads."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from modelformats import extract_signature
from modelformats.model_files import model_files
from support.framework_answers import CASES, assert_answers
from support.serving_runtimes import Runtime, toolchain_python

ODD = {
    "sklearn-pipeline": ("weights", "sklearn", None),
    "xgboost-softprob": ("trees.json", "sklearn", "metrics.json"),
    "xgboost-logistic": ("model.onnx", "sklearn", "other.onnx"),
    "lightgbm-binary": ("model.bst", "sklearn", "other.lgb"),
    "catboost-numbers": ("model.bin", "sklearn", "vocabulary.bin"),
    "torchscript-undeclared": ("scripted.jit", "torch", "notes.pt"),
    "exportedprogram": ("MODEL.PT2", "torch", "other.pt2"),
    "graphdef": ("frozen", "openvino", None),
    "tflite": ("model.dat", "openvino", "labels.tflite"),
    "openvino": ("MODEL.XML", "openvino", "other.xml"),
    "pmml-classifier": ("model.xml", "pmml", "other.pmml"),
}
"""Model to the name of its file, the toolchain that serves it, and the name of another file beside it."""
MAKERS = {name: (toolchain, maker) for maker, (toolchain, names) in CASES.items() for name in names.split()}


def renamed(made: Path, directory: Path, name: str, rival: str | None) -> str:
    """Copy a model under an odd name. Return its format."""
    shutil.copytree(made, directory)
    files = directory / "model"
    model_format: str = json.loads((directory / "case.json").read_text())["format"]
    (usual,) = model_files(model_format, files)
    usual.rename(files / name)
    if (weights := usual.with_suffix(".bin")).exists():
        weights.rename((files / name).with_suffix(".bin"))
    if rival:
        (files / rival).write_text("not a model")
    return model_format


@pytest.mark.parametrize("model", sorted(ODD))
def test_a_model_with_an_odd_file_name_answers_as_its_framework(
    model: str, models: Callable[[str, str], Path], tmp_path: Path
) -> None:
    name, toolchain, rival = ODD[model]
    directory = tmp_path / "odd"
    model_format = renamed(models(*MAKERS[model]) / model, directory, name, rival)
    assert extract_signature(model_format, directory / "model").format == model_format
    case = json.loads((directory / "case.json").read_text())
    runtime = Runtime("kleverserve", toolchain_python(toolchain), tmp_path, has_grpc=False)
    with runtime.serving(directory, model_format) as served:
        status, answer = asyncio.run(served.infer(*case["inputs"]))
    assert status == 200, answer
    assert_answers(answer["outputs"], case["outputs"], slice(None))


@pytest.mark.parametrize(
    ("module", "toolchain"), [("kleverserve.mlserver", "mlserver"), ("kleverserve.triton", "triton")]
)
def test_other_servers_serve_the_same_file(
    module: str, toolchain: str, models: Callable[[str, str], Path], tmp_path: Path
) -> None:
    directory = tmp_path / "odd"
    made = models(*MAKERS["xgboost-softprob"]) / "xgboost-softprob"
    model_format = renamed(made, directory, "model.dat", "metrics.ubj")
    case = json.loads((directory / "case.json").read_text())
    (matrix,) = case["inputs"]
    second = {
        **matrix,
        "shape": [1, *matrix["shape"][1:]],
        "data": matrix["data"][1:2],
    }  # Triton refuses NaN in JSON
    with Runtime(module, toolchain_python(toolchain), tmp_path).serving(directory, model_format) as served:
        status, answer = asyncio.run(served.infer(second))
    assert status == 200, answer
    assert_answers(answer["outputs"], case["outputs"], slice(1, 2))
