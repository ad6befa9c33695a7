"""Parsing Caffe2 models."""

import json
from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Parameters, Signature
from modelformats import InvalidModelError, extract_signature, validate_layout
from support import caffe_models
from support.caffe_models import fill, operator
from support.model_files import write, write_model
from support.protobufs import field, varint


def extracted(directory: Path, init: bytes, predict: bytes) -> Signature:
    write(directory, "init_net.pb", init)
    return extract_signature("NetDef", write(directory, "predict_net.pb", predict))


def names(signature: Signature) -> tuple[list[str], list[str]]:
    return [tensor.name for tensor in signature.inputs], [tensor.name for tensor in signature.outputs]


def test_a_net_and_its_weights_are_read(tmp_path: Path) -> None:
    signature = extract_signature("NetDef", write_model(tmp_path, "NetDef"))
    assert names(signature) == (["data"], ["softmax"])
    assert (signature.inputs[0].dtype, signature.inputs[0].shape) == (None, None)
    assert signature.operators == {"FC": 1, "Softmax": 1}
    assert signature.parameters == Parameters(count=15, bytes_by_dtype={"float32": 60})
    assert (signature.framework, signature.details) == ("Caffe2", {"net": "predict"})
    assert set(signature.unknown) == {"inputs", "outputs", "framework_version"}


def test_types_and_shapes_may_be_in_a_file_beside_the_net(tmp_path: Path) -> None:
    write(tmp_path, "value_info.json", json.dumps({"data": [10, [1, 4]]}))
    signature = extract_signature("NetDef", write_model(tmp_path, "NetDef"))
    assert (signature.inputs[0].dtype, signature.inputs[0].shape) == ("int64", (1, 4))
    assert "inputs" not in signature.unknown


@pytest.mark.parametrize("info", ["[", "[]", {"data": [1]}, {"data": [1, ["x"]]}, {"data": ["float", [1]]}], ids=repr)
def test_an_invalid_description_is_refused(tmp_path: Path, info: Any) -> None:
    write(tmp_path, "value_info.json", info if isinstance(info, str) else json.dumps(info))
    with pytest.raises(InvalidModelError, match=r"value_info\.json"):
        extract_signature("NetDef", write_model(tmp_path, "NetDef"))


def test_undeclared_ends_follow_from_the_operators(tmp_path: Path) -> None:
    net = operator("FC", ("data", "w", "b"), ("fc",)) + operator("Relu", ("fc",), ("relu", "mask"))
    assert names(extracted(tmp_path, caffe_models.init_net(), net)) == (["data"], ["relu", "mask"])


def test_an_input_may_be_filled_with_a_placeholder(tmp_path: Path) -> None:
    init = caffe_models.init_net() + fill("data", 1, kind="ConstantFill")
    signature = extracted(tmp_path, init, caffe_models.predict_net())
    assert names(signature) == (["data"], ["softmax"])
    assert signature.parameters
    assert signature.parameters.count == 15


def test_a_completely_filled_net_is_reported_as_such(tmp_path: Path) -> None:
    init = caffe_models.init_net() + fill("data", 1, 4)
    signature = extracted(tmp_path, init, caffe_models.predict_net())
    assert signature.inputs == ()
    assert "fills all inputs" in signature.unknown["inputs"]


def test_weights_of_other_types_are_reported(tmp_path: Path) -> None:
    half = field(5, field(1, b"dtype") + field(3, 12)) + field(5, field(1, b"shape") + field(6, 5))
    init = fill("w", 2, kind="GivenTensorInt64Fill") + operator("XavierFill", (), ("b",), half)
    signature = extracted(tmp_path, init, caffe_models.predict_net())
    assert signature.parameters == Parameters(count=7, bytes_by_dtype={"float16": 10, "int64": 16})


def test_large_weights_are_not_read(tmp_path: Path) -> None:
    size = 6 * 1024**3
    kind = field(4, b"GivenTensorFill") + field(5, field(1, b"shape") + field(6, size // 4))
    values = varint(5 << 3 | 2) + varint(size)
    argument = varint(5 << 3 | 2) + varint(len(values) + size) + values
    net = varint(2 << 3 | 2) + varint(len(kind) + len(argument) + size) + kind + argument
    write(tmp_path, "predict_net.pb", caffe_models.predict_net())
    with (write(tmp_path, "init_net.pb", net) / "init_net.pb").open("ab") as file:
        file.truncate(len(net) + size)
    parameters = extract_signature("NetDef", tmp_path).parameters
    assert parameters == Parameters(count=size // 4, bytes_by_dtype={"float32": size})


@pytest.mark.parametrize(("present", "missing"), [("init", "predict"), ("predict", "init")])
def test_the_missing_file_is_named(tmp_path: Path, present: str, missing: str) -> None:
    with pytest.raises(InvalidModelError, match=rf"there is no \*{missing}_net\.pb"):
        validate_layout("NetDef", write(tmp_path, f"{present}_net.pb", b"x"))


def test_a_net_without_weights_fills_none(tmp_path: Path) -> None:
    assert extracted(tmp_path, b"\x0a\x01x", caffe_models.predict_net()).parameters == Parameters()


@pytest.mark.parametrize("content", [b"", caffe_models.init_net()[:-3]], ids=["empty", "cut-off"])
def test_an_invalid_net_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InvalidModelError, match=r"init_net\.pb"):
        extracted(tmp_path, content, caffe_models.predict_net())


def test_weights_of_unknown_types_are_shown_as_such(tmp_path: Path) -> None:
    newer = field(5, field(1, b"dtype") + field(3, 99)) + field(5, field(1, b"shape") + field(6, 5))
    init = fill("w", 2, kind="GivenTensorComplexFill") + operator("XavierFill", (), ("b",), newer)
    init += fill("q", 3, kind="Int8GivenTensorFill") + fill("z", 4, kind="GivenTensorFill")
    signature = extracted(tmp_path, init, caffe_models.predict_net())
    assert signature.parameters == Parameters(count=14, bytes_by_dtype={"float32": 16, "uint8": 3})
    assert "unknown type 99, unknown type GivenTensorComplexFill" in signature.unknown["parameters"]
