"""Weights of ONNX models: in external files, in Constant nodes, of packed types and of unknown types."""

from pathlib import Path
from typing import Any

import pytest
from onnx import ModelProto, NodeProto, StringStringEntryProto, TensorProto, helper

from kleverproto.signatures import Parameters, Signature
from modelfiles.protobuf.skimming import FIELDS_LIMIT
from modelformats import InvalidModelError, extract_signature, validate_layout
from support.model_files import write
from support.protobufs import field

FLOAT = TensorProto.FLOAT
SIX_FLOATS = bytes(24)
NEWER_TYPE = 77
"""A TensorProto.DataType that does not exist."""


def written(model: ModelProto, directory: Path) -> Path:
    return write(directory, "model.onnx", model.SerializeToString())


def extracted(model: ModelProto, directory: Path) -> Signature:
    return extract_signature("ONNX", written(model, directory))


def counts(model: ModelProto, directory: Path) -> Parameters:
    parameters = extracted(model, directory).parameters
    assert parameters is not None
    return parameters


def model_of(*weights: TensorProto, node: NodeProto | None = None) -> ModelProto:
    output = helper.make_tensor_value_info("y", FLOAT, [2, 3])
    nodes = [node or helper.make_node("Identity", ["w"], ["y"])]
    graph = helper.make_graph(nodes, "g", [], [output], list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def beside(location: str, **numbers: int) -> TensorProto:
    """Weights `w` of 24 bytes in another file."""
    weights = TensorProto(name="w", data_type=FLOAT, dims=[2, 3], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, **numbers}.items():
        weights.external_data.append(StringStringEntryProto(key=key, value=str(value)))
    return weights


@pytest.mark.parametrize("location", ["model.onnx_data", "weights/part one.bin", "./weights/../w.bin"])
def test_weights_beside_the_file_are_counted(tmp_path: Path, location: str) -> None:
    (tmp_path / "weights").mkdir()
    write(tmp_path, location, SIX_FLOATS)
    parameters = counts(model_of(beside(location)), tmp_path)
    assert (parameters.count, parameters.bytes_by_dtype) == (6, {"float32": 24})


def test_weights_whose_file_is_missing_are_reported_with_the_remedy(tmp_path: Path) -> None:
    expected = r"model\.onnx keeps the weights 'w' in 'model\.onnx_data', which is missing: copy that file"
    with pytest.raises(InvalidModelError, match=expected):
        extracted(model_of(beside("model.onnx_data")), tmp_path)


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param(beside("w.bin", length=24), id="its length is declared"),
        pytest.param(beside("w.bin"), id="its length follows from its shape"),
        pytest.param(beside("w.bin", offset=4096, length=24), id="behind an offset"),
    ],
)
def test_a_truncated_file_of_weights_is_reported(tmp_path: Path, weights: TensorProto) -> None:
    write(tmp_path, "w.bin", SIX_FLOATS[:20])
    with pytest.raises(InvalidModelError, match=r"'w\.bin' up to byte \d+, but the file has only 20.*copy it again"):
        extracted(model_of(weights), tmp_path)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "a/../../secret.bin", ""])
def test_weights_outside_the_model_are_refused(tmp_path: Path, location: str) -> None:
    write(tmp_path, "secret.bin", SIX_FLOATS)
    with pytest.raises(InvalidModelError, match="outside the model's directory, which is never read"):
        extracted(model_of(beside(location)), tmp_path / "model")


def test_each_missing_file_is_named_once_and_many_are_counted(tmp_path: Path) -> None:
    weights = [beside(f"{name}.bin") for name in "abcdeabcde"]
    with pytest.raises(InvalidModelError) as failure:
        extracted(model_of(*weights), tmp_path)
    message = str(failure.value)
    assert [message.count(f"'{name}.bin'") for name in "abcde"] == [1, 1, 1, 0, 0]
    assert message.endswith("and 2 more files")


def test_a_missing_file_of_a_constants_weights_is_reported_too(tmp_path: Path) -> None:
    node = helper.make_node("Constant", [], ["y"], value=beside("gone.bin"))
    with pytest.raises(InvalidModelError, match=r"'gone\.bin', which is missing"):
        extracted(model_of(node=node), tmp_path)


def test_a_model_without_all_its_weights_is_refused_before_it_is_packed(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"'model\.onnx_data', which is missing"):
        validate_layout("ONNX", written(model_of(beside("model.onnx_data")), tmp_path))


def test_weights_in_constant_nodes_are_counted(tmp_path: Path) -> None:
    node = helper.make_node("Constant", [], ["y"], value=helper.make_tensor("", FLOAT, [2, 3], [0.0] * 6))
    parameters = counts(model_of(node=node), tmp_path)
    assert (parameters.count, parameters.bytes_by_dtype) == (6, {"float32": 24})


def test_constants_inside_functions_and_branches_are_counted(tmp_path: Path) -> None:
    def constant(kind: int, dims: list[int]) -> NodeProto:
        return helper.make_node("Constant", [], ["c"], value=TensorProto(data_type=kind, dims=dims))

    branch = helper.make_graph([constant(TensorProto.FLOAT16, [5])], "b", [], [])
    model = model_of(node=helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))
    own = helper.make_function("own", "F", [], ["c"], [constant(TensorProto.INT8, [3])], [helper.make_opsetid("", 17)])
    model.functions.append(own)
    assert counts(model, tmp_path).bytes_by_dtype == {"float16": 20, "int8": 3}


def test_sparse_constants_are_counted_by_their_values(tmp_path: Path) -> None:
    model = model_of(node=helper.make_node("Constant", [], ["y"]))
    attribute = model.graph.node[0].attribute.add(name="sparse_value")
    attribute.sparse_tensor.values.CopyFrom(TensorProto(data_type=FLOAT, dims=[4]))
    assert counts(model, tmp_path).count == 4


def test_tensors_that_fill_other_operators_are_not_weights(tmp_path: Path) -> None:
    fill = TensorProto(data_type=FLOAT, dims=[1], float_data=[1.0])
    assert counts(model_of(node=helper.make_node("ConstantOfShape", ["s"], ["y"], value=fill)), tmp_path).count == 0


@pytest.mark.parametrize(
    ("kind", "name", "size"),
    [
        (TensorProto.INT4, "int4", 8),
        (TensorProto.UINT4, "uint4", 8),
        (TensorProto.FLOAT4E2M1, "float4_e2m1fn", 8),
        (TensorProto.INT2, "int2", 4),
        (TensorProto.UINT2, "uint2", 4),
        (TensorProto.FLOAT6E2M3, "float6_e2m3fn", 12),
        (TensorProto.FLOAT6E3M2, "float6_e3m2fn", 12),
        (TensorProto.FLOAT8E8M0, "float8_e8m0fnu", 15),
    ],
)
def test_packed_weights_are_counted_with_their_bytes(tmp_path: Path, kind: int, name: str, size: int) -> None:
    parameters = counts(model_of(TensorProto(name="w", data_type=kind, dims=[5, 3], raw_data=bytes(size))), tmp_path)
    assert (parameters.count, parameters.bytes_by_dtype) == (15, {name: size})


def test_every_type_of_onnx_has_a_name(tmp_path: Path) -> None:
    kinds = [kind for kind in TensorProto.DataType.values() if kind != TensorProto.UNDEFINED]
    model = model_of()
    model.graph.input.extend(helper.make_tensor_value_info(f"x{kind}", kind, [1]) for kind in kinds)
    signature = extracted(model, tmp_path)
    assert [tensor.name for tensor in signature.inputs if tensor.dtype is None] == []


def test_weights_of_an_unknown_type_are_counted_and_shown_as_such(tmp_path: Path) -> None:
    signature = extracted(model_of(TensorProto(name="w", data_type=NEWER_TYPE, dims=[3], raw_data=bytes(7))), tmp_path)
    assert signature.parameters is not None
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (3, {"unknown type 77": 7})
    assert "unknown type 77" in signature.unknown["parameters"]


def test_external_weights_of_an_unknown_type_have_their_declared_length(tmp_path: Path) -> None:
    weights = beside("w.bin", length=9)
    weights.data_type = NEWER_TYPE
    write(tmp_path, "w.bin", bytes(9))
    assert counts(model_of(weights), tmp_path).bytes_by_dtype == {"unknown type 77": 9}


def test_an_input_of_an_unknown_type_has_a_reason(tmp_path: Path) -> None:
    model = model_of()
    model.graph.input.append(helper.make_tensor_value_info("x", FLOAT, [1]))
    model.graph.input[0].type.tensor_type.elem_type = NEWER_TYPE
    assert extracted(model, tmp_path).unknown == {
        "x": "its elements are of unknown type 77: newer than this version of Klever"
    }


@pytest.mark.parametrize(
    ("value", "count", "by_dtype"),
    [
        ({"value_float": 1.5}, 1, {"float32": 4}),
        ({"value_floats": [1.5] * 6}, 6, {"float32": 24}),
        ({"value_floats": [0.0]}, 1, {"float32": 4}),
        ({"value_int": 7}, 1, {"int64": 8}),
        ({"value_ints": [1, -1, 2**40]}, 3, {"int64": 24}),
        ({"value_string": "a"}, 1, {}),
        ({"value_strings": ["a", "", "bcd"]}, 3, {}),
    ],
    ids=lambda each: next(iter(each), "") if isinstance(each, dict) else "",
)
def test_constants_without_a_tensor_are_counted(
    tmp_path: Path, value: dict[str, Any], count: int, by_dtype: dict[str, int]
) -> None:
    parameters = counts(model_of(node=helper.make_node("Constant", [], ["y"], **value)), tmp_path)
    assert (parameters.count, parameters.bytes_by_dtype) == (count, by_dtype)


@pytest.mark.parametrize(
    ("attribute", "count", "by_dtype"),
    [
        (field(1, b"value_floats") + field(7, bytes(24)), 6, {"float32": 24}),
        (field(1, b"value_ints") + field(8, b"\x01\x80\x01\x02"), 3, {"int64": 24}),
    ],
    ids=["floats", "ints"],
)
def test_packed_lists_of_proto3_are_counted(
    tmp_path: Path, attribute: bytes, count: int, by_dtype: dict[str, int]
) -> None:
    node = field(4, b"Constant") + field(5, attribute)
    output = helper.make_tensor_value_info("y", FLOAT, [2, 3]).SerializeToString()
    graph = field(1, node) + field(12, output)
    content = field(1, 10) + field(7, graph) + field(8, field(2, 17))
    parameters = extract_signature("ONNX", write(tmp_path, "model.onnx", content)).parameters
    assert parameters is not None
    assert (parameters.count, parameters.bytes_by_dtype) == (count, by_dtype)


def test_lists_of_other_operators_are_not_weights(tmp_path: Path) -> None:
    assert counts(model_of(node=helper.make_node("Conv", ["x"], ["y"], pads=[0, 0, 1, 1])), tmp_path).count == 0


@pytest.mark.parametrize(("name", "number", "size"), [("value_floats", 1.5, 4), ("value_ints", 1, 8)])
def test_a_long_list_of_numbers_does_not_hide_a_model(tmp_path: Path, name: str, number: float, size: int) -> None:
    node = helper.make_node("Constant", [], ["y"])
    node.attribute.append(helper.make_attribute(name, [number] * (FIELDS_LIMIT + 10)))
    assert list(counts(model_of(node=node), tmp_path).bytes_by_dtype.values()) == [size * (FIELDS_LIMIT + 10)]
