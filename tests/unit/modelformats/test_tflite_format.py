"""Parsing TensorFlow Lite models."""

import struct
from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, extract_signature
from support.flatbuffers import flatbuffer
from support.memory import parse_apart
from support.model_files import DATA, write

REAL = (DATA / "tflite" / "functional.tflite").read_bytes()


def tensor(name: str, shape: list[int], kind: int = 0, buffer: int = 0) -> dict[int, Any]:
    return {0: shape, 1: ("<b", kind), 2: ("<I", buffer), 3: name}


def model() -> dict[int, Any]:
    """A model of two graphs; the second shares its weight with the first."""
    weight = tensor("w", [3, 2], 9, 1)
    main = {0: [tensor("x", [1, 3]) | {7: [-1, 3]}, weight, tensor("y", [1, 2], 17)], 1: [0, -1], 2: [2]}
    main[3] = [{0: ("<I", 0)}, {0: ("<I", 1)}, {0: ("<I", 2)}]
    other = {0: [weight], 3: [{0: ("<I", 0)}]}
    codes = [{0: ("<b", 9)}, {0: ("<b", 32), 1: "Mine"}, {0: ("<b", 127), 3: ("<i", 9999)}]
    return {0: ("<I", 3), 1: codes, 2: [main, other], 4: [{}, {0: b"abcdef"}]}


def extracted(fields: dict[int, Any], directory: Path) -> Signature:
    return extract_signature("TFLite", write(directory, "model.tflite", flatbuffer(b"TFL3", fields)))


def test_a_model_converted_by_tensorflow_is_read(tmp_path: Path) -> None:
    signature = extract_signature("TFLite", write(tmp_path, "model.tflite", REAL))
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [
        ("serving_default_extra:0", "float32", (-1, 4)),
        ("serving_default_image:0", "float32", (-1, 8, 8, 1)),
    ]
    assert [(t.dtype, t.shape) for t in signature.outputs] == [("float32", (-1, 3))]
    assert (
        signature.operators["CONV_2D"] == signature.operators["FULLY_CONNECTED"] == signature.operators["SOFTMAX"] == 1
    )
    assert signature.parameters
    assert signature.parameters.bytes_by_dtype["float32"] == 4 * (3 * 3 * 2 + 2 + 76 * 3)
    assert signature.details["signatures"]["serving_default"]["inputs"] == {
        "extra": "serving_default_extra:0",
        "image": "serving_default_image:0",
    }
    assert signature.details["min_runtime_version"] == "1.11.0"
    assert signature.framework == "TensorFlow Lite"


def test_operators_of_all_graphs_are_counted(tmp_path: Path) -> None:
    assert extracted(model(), tmp_path).operators == {"FULLY_CONNECTED": 2, "Mine": 1, "BUILTIN_9999": 1}


def test_a_constant_of_two_graphs_is_counted_once(tmp_path: Path) -> None:
    parameters = extracted(model(), tmp_path).parameters
    assert parameters
    assert (parameters.count, parameters.bytes_by_dtype) == (6, {"int8": 6})


def test_a_constant_of_an_unknown_type_is_counted_with_its_bytes(tmp_path: Path) -> None:
    weight = tensor("w", [3, 2], 99, 1)
    signature = extracted({0: ("<I", 3), 2: [{0: [weight]}], 4: [{}, {0: b"abcde"}]}, tmp_path)
    assert signature.parameters
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (6, {"unknown type 99": 5})
    assert "unknown type 99" in signature.unknown["parameters"]


def test_types_have_numpy_names_and_inputs_may_be_omitted(tmp_path: Path) -> None:
    signature = extracted(model(), tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("x", "float32", (-1, 3))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("y", "int4", (1, 2))]


def test_a_model_without_graphs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="has no graph"):
        extracted({0: ("<I", 3)}, tmp_path)


def test_another_flatbuffer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match="does not begin as TensorFlow Lite models do"):
        extract_signature("TFLite", write(tmp_path, "model.tflite", flatbuffer(b"CBM1", model())))


@pytest.mark.parametrize("count", [2**20, 2**32 - 1], ids=["a-million", "most"])
def test_graphs_that_all_share_one_place_are_refused_soon(tmp_path: Path, count: int) -> None:
    content = bytearray(flatbuffer(b"TFL3", model()))
    graphs = content.index(struct.pack("<I", 2), content.index(b"Mine"))
    content[graphs : graphs + 4] = struct.pack("<I", count)
    with (write(tmp_path, "model.tflite", bytes(content)) / "model.tflite").open("ab") as file:
        file.truncate(8 * 1024**2)
    outcome = parse_apart("TFLite", tmp_path)
    assert (outcome.outcome, outcome.grown_mb < 100) == ("InvalidModelError", True)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (99, "its elements are of unknown type 99: newer than this version of Klever"),
        (13, "not a tensor but a resource"),
        (14, "not a tensor but a variant"),
    ],
)
def test_an_input_without_a_type_has_a_reason(tmp_path: Path, kind: int, reason: str) -> None:
    graph = {0: [tensor("x", [1], kind), tensor("y", [1])], 1: [0], 2: [1]}
    signature = extracted({0: ("<I", 3), 2: [graph], 4: [{}]}, tmp_path)
    assert (signature.inputs[0].dtype, signature.unknown["x"], "y" in signature.unknown) == (None, reason, False)


@pytest.mark.parametrize(
    ("kind", "by_dtype"),
    [(19, {"int2": 2}), (20, {"uint4": 3}), (21, {"float8_e4m3fn": 6}), (22, {"float8_e5m2": 6})],
)
def test_weights_of_the_newest_types_have_a_name(tmp_path: Path, kind: int, by_dtype: dict[str, int]) -> None:
    signature = extracted({0: ("<I", 3), 2: [{0: [tensor("w", [3, 2], kind, 1)]}], 4: [{}, {0: b"abcde"}]}, tmp_path)
    assert signature.parameters
    assert signature.parameters.bytes_by_dtype == by_dtype
