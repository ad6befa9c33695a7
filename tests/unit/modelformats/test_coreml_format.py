"""What is read from Core ML models."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature
from modelformats.formats.coreml_messages import MODEL
from support.model_files import CORE_ML_SPECIFICATION, DATA, write

FLOAT32, RGB = 0x10020, 20


def extracted(model: Any, directory: Path) -> Signature:
    return extract_signature("CoreML", write(directory, "model.mlmodel", model.SerializeToString()))


def model() -> Any:
    return MODEL.message(version=4)


def package(directory: Path) -> Path:
    """The package in a model's directory; gives the package."""
    copytree(DATA / "coreml" / "iris.mlpackage", directory / "iris.mlpackage")
    return directory / "iris.mlpackage"


def test_a_neural_network_tells_its_layers(tmp_path: Path) -> None:
    write(tmp_path, "anything", (DATA / "coreml" / "iris.mlmodel").read_bytes())
    assert detect_format(tmp_path) == "CoreML"
    (tmp_path / "anything").rename(tmp_path / "iris.mlmodel")
    found = extract_signature("CoreML", tmp_path)
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in found.inputs] == [("x", "float64", (4,))]
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in found.outputs] == [("scores", "float64", (3,))]
    assert found.operators == {"innerProduct": 1, "softmax": 1}
    assert found.details["model_type"] == "neuralNetwork"
    assert "parameters" in found.unknown


@pytest.mark.parametrize("inside", [False, True], ids=["beside", "inside"])
def test_a_package_tells_its_program_and_weights(inside: bool, tmp_path: Path) -> None:  # noqa: FBT001
    directory = package(tmp_path)
    found = extract_signature("CoreML", directory if inside else tmp_path)
    assert detect_format(directory if inside else tmp_path) == "CoreML"
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in found.inputs] == [("x", "float32", (1, 4))]
    assert found.operators == {"matmul": 1, "softmax": 1}
    assert found.parameters is not None
    assert found.parameters.bytes_by_dtype == {"float32": 4 * 3 * 4}
    assert (found.framework, found.framework_version) == ("coremltools", "9.0")
    assert found.details["specification_version"] == 6


def test_features_of_every_kind(tmp_path: Path) -> None:
    made = model()
    made.treeEnsembleClassifier.SetInParent()
    for name in ("int64", "str"):
        getattr(made.description.inputs.add(name=name).type, name).SetInParent()
    made.description.inputs.add(name="picture").type.image.MergeFrom(
        type(made.description.inputs[0].type.image)(width=4, height=3, colors=RGB)
    )
    wide = made.description.inputs.add(name="wide").type.array
    wide.dtype = FLOAT32
    wide.range.ranges.add(lower=1, upper=1)
    wide.range.ranges.add(lower=1, upper=-1)
    several = made.description.inputs.add(name="several").type.array
    several.dtype = FLOAT32
    several.enumerated.shapes.add(sizes=[1, 2])
    several.enumerated.shapes.add(sizes=[1, 3])
    made.description.outputs.add(name="scores").type.dictionary.SetInParent()
    made.description.predicted = "label"
    found = extracted(made, tmp_path)
    assert [(tensor.dtype, tensor.shape) for tensor in found.inputs] == [
        ("int64", ()),
        ("str", ()),
        ("uint8", (3, 4, 3)),
        ("float32", (1, -1)),
        ("float32", (1, -1)),
    ]
    assert found.operators == {"treeEnsembleClassifier": 1}
    assert "dictionary" in found.unknown["scores"]
    assert found.details["predicted_feature"] == "label"


def test_a_pipeline_tells_the_operators_of_its_models(tmp_path: Path) -> None:
    made = model()
    made.pipelineClassifier.pipeline.models.add(version=4).scaler.SetInParent()
    network = made.pipelineClassifier.pipeline.models.add(version=4).neuralNetwork
    network.layers.add().branch.then.layers.add().softmax.SetInParent()
    assert extracted(made, tmp_path).operators == {"scaler": 1, "branch": 1, "softmax": 1}


@pytest.mark.parametrize("place", ["../../secret", "/etc/passwd", "nothing.mlmodel"])
def test_a_manifest_that_names_no_file_of_the_package_is_refused(place: str, tmp_path: Path) -> None:
    manifest = {"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": place}}}
    (package(tmp_path) / "Manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidModelError, match=r"Manifest\.json"):
        extract_signature("CoreML", tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x08\x04\x12\x00", b"\x08\x04\x12\x7f"], ids=["empty", "no-model", "cut"])
def test_other_bytes_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"model\.mlmodel"):
        extract_signature("CoreML", write(tmp_path, "model.mlmodel", content))


def test_a_package_without_its_specification_is_refused(tmp_path: Path) -> None:
    (package(tmp_path) / CORE_ML_SPECIFICATION).unlink()
    with pytest.raises(InvalidModelError, match="push it too"):
        extract_signature("CoreML", tmp_path)
