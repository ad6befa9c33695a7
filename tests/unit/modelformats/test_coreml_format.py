"""Parsing Core ML models."""

import json
import struct
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
    """Write the package of a model's directory. Return it."""
    copytree(DATA / "coreml" / "iris.mlpackage", directory / "iris.mlpackage")
    return directory / "iris.mlpackage"


def test_the_layers_of_a_neural_network_are_listed(tmp_path: Path) -> None:
    write(tmp_path, "anything", (DATA / "coreml" / "iris.mlmodel").read_bytes())
    assert detect_format(tmp_path) == "CoreML"
    (tmp_path / "anything").rename(tmp_path / "iris.mlmodel")
    signature = extract_signature("CoreML", tmp_path)
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in signature.inputs] == [("x", "float64", (4,))]
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in signature.outputs] == [("scores", "float64", (3,))]
    assert signature.operators == {"innerProduct": 1, "softmax": 1}
    assert signature.details["model_type"] == "neuralNetwork"
    assert "parameters" in signature.unknown


@pytest.mark.parametrize("inside", [False, True], ids=["beside", "inside"])
def test_the_program_and_weights_of_a_package_are_read(inside: bool, tmp_path: Path) -> None:  # noqa: FBT001
    directory = package(tmp_path)
    signature = extract_signature("CoreML", directory if inside else tmp_path)
    assert detect_format(directory if inside else tmp_path) == "CoreML"
    assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in signature.inputs] == [("x", "float32", (1, 4))]
    assert signature.operators == {"matmul": 1, "softmax": 1}
    assert signature.parameters is not None
    assert signature.parameters.bytes_by_dtype == {"float32": 4 * 3 * 4}
    assert (signature.framework, signature.framework_version) == ("coremltools", "9.0")
    assert signature.details["specification_version"] == 6


def test_features_of_every_kind_are_read(tmp_path: Path) -> None:
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
    signature = extracted(made, tmp_path)
    assert [(tensor.dtype, tensor.shape) for tensor in signature.inputs] == [
        ("int64", ()),
        ("str", ()),
        ("uint8", (3, 4, 3)),
        ("float32", (1, -1)),
        ("float32", (1, -1)),
    ]
    assert signature.operators == {"treeEnsembleClassifier": 1}
    assert "dictionary" in signature.unknown["scores"]
    assert signature.details["predicted_feature"] == "label"


def test_the_operators_of_a_pipelines_models_are_listed(tmp_path: Path) -> None:
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
def test_other_content_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"model\.mlmodel"):
        extract_signature("CoreML", write(tmp_path, "model.mlmodel", content))


def test_a_package_without_its_specification_is_refused(tmp_path: Path) -> None:
    (package(tmp_path) / CORE_ML_SPECIFICATION).unlink()
    with pytest.raises(InvalidModelError, match="push it too"):
        extract_signature("CoreML", tmp_path)


def program(kind: int, *, place: str = "@model_path/weights/weight.bin", offset: int = 64) -> Any:
    """A program with one weight of this type and eight elements."""
    made = model()
    made.mlProgram.functions.add().value.blocks.add().value.operations.add(type="const")
    value = made.mlProgram.functions[0].value.blocks[0].value.operations[0].attributes.add().value
    value.type.tensor.dtype = kind
    value.type.tensor.dimensions.add().constant.size = 8
    value.blob.file, value.blob.offset = place, offset
    return made


def blob(size: int, *, sentinel: int = 0xDEADBEEF, begin: int = 88) -> bytes:
    return bytes(64) + struct.pack("<IIQQ", sentinel, 1, size, begin) + bytes(5)


@pytest.mark.parametrize(
    ("kind", "by_dtype"),
    [
        (25, {"int4": 4}),
        (35, {"uint4": 4}),
        (36, {"uint2": 2}),
        (37, {"uint1": 1}),
        (38, {"uint6": 6}),
        (39, {"uint3": 3}),
        (40, {"float8_e4m3fn": 8}),
        (41, {"float8_e5m2": 8}),
    ],
)
def test_weights_of_every_type_are_counted(tmp_path: Path, kind: int, by_dtype: dict[str, int]) -> None:
    signature = extracted(program(kind), tmp_path)
    assert signature.parameters
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (8, by_dtype)
    assert "parameters" not in signature.unknown


def test_weights_of_an_unknown_type_are_counted_with_the_bytes_of_their_blob(tmp_path: Path) -> None:
    write(tmp_path, "weights/weight.bin", blob(5))
    signature = extracted(program(99), tmp_path)
    assert signature.parameters
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (8, {"unknown type 99": 5})
    assert "unknown type 99" in signature.unknown["parameters"]


@pytest.mark.parametrize(
    ("place", "offset", "content"),
    [
        pytest.param("@model_path/../secret", 64, blob(5), id="outside"),
        pytest.param("/etc/hostname", 0, blob(5), id="absolute"),
        pytest.param("@model_path/weights", 0, blob(5), id="directory"),
        pytest.param("@model_path/weights/nothing", 0, blob(5), id="missing"),
        pytest.param("@model_path/weights/weight.bin", 2**64 - 1, blob(5), id="behind-the-end"),
        pytest.param("@model_path/weights/weight.bin", 64, blob(5)[:80], id="cut"),
        pytest.param("@model_path/weights/weight.bin", 64, blob(6), id="larger-than-the-file"),
        pytest.param("@model_path/weights/weight.bin", 64, blob(5, sentinel=1), id="no-sentinel"),
    ],
)
def test_a_missing_blob_counts_no_bytes(tmp_path: Path, place: str, offset: int, content: bytes) -> None:
    write(tmp_path, "secret", blob(5))
    write(tmp_path / "inner", "weights/weight.bin", content)
    signature = extracted(program(99, place=place, offset=offset), tmp_path / "inner")
    assert signature.parameters
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (8, {})
    assert "unknown type 99" in signature.unknown["parameters"]


def test_features_without_a_type_have_a_reason(tmp_path: Path) -> None:
    made = model()
    made.identity.SetInParent()
    for name, kind in (("newer", 0x30008), ("unsaid", 0)):
        array = made.description.inputs.add(name=name).type.array
        array.dtype = kind
        array.shape.append(3)
    made.description.inputs.add(name="picture").type.image.colors = 70
    made.description.inputs.add(name="strange")
    signature = extracted(made, tmp_path)
    assert {tensor.dtype for tensor in signature.inputs} == {None}
    newer = "newer than this version of Klever"
    assert {name: signature.unknown[name] for name in ("newer", "unsaid", "picture", "strange")} == {
        "newer": f"its elements are of unknown type 0x30008: {newer}",
        "unsaid": "the model does not declare the type of its elements",
        "picture": f"its elements are of unknown type colour space 70: {newer}",
        "strange": f"not a tensor but a feature of an unknown kind: {newer}",
    }


def test_a_layer_of_an_unknown_kind_is_counted(tmp_path: Path) -> None:
    made = model()
    made.neuralNetwork.layers.add()
    made.neuralNetwork.layers.add().softmax.SetInParent()
    assert extracted(made, tmp_path).operators == {"softmax": 1, "unknown layer": 1}
