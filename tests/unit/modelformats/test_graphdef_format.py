"""Parsing frozen TensorFlow graphs."""

from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature, validate_layout
from modelformats.formats.graphdef import SCHEMA
from support.model_files import DATA, FLOAT, INT64, write
from support.protobufs import field

REAL = (DATA / "graphdef" / "classifier.graphdef").read_bytes()


def graph() -> Any:
    """The message of a graph without nodes."""
    return SCHEMA.message()


def node(message: Any, name: str, op: str, *inputs: str, **types: int) -> Any:
    added = message.nodes.add(name=name, op=op, inputs=inputs)
    for key, number in types.items():
        added.attributes.add(key=key).value.type = number
    return added


def extracted(message: Any, directory: Path) -> Signature:
    return extract_signature("GraphDef", write(directory, "model.graphdef", message.SerializeToString()))


def test_a_graph_frozen_by_tensorflow_is_read(tmp_path: Path) -> None:
    signature = extract_signature("GraphDef", write(tmp_path, "model.graphdef", REAL))
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("x", "float32", (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("label", "int64", None)]
    assert signature.operators["MatMul"] == signature.operators["Softmax"] == 1
    assert (signature.framework, signature.framework_version) == ("TensorFlow", None)
    assert signature.parameters
    assert signature.parameters.count == 4 * 3 + 3 + 1
    assert signature.parameters.bytes_by_dtype == {"float32": 60, "int32": 4}
    assert set(signature.unknown) == {"outputs", "framework_version"}
    assert signature.details["producer"] > 1000


def test_consumed_nodes_are_not_outputs(tmp_path: Path) -> None:
    message = graph()
    node(message, "x", "Placeholder", dtype=FLOAT)
    node(message, "split", "Split", "x", T=FLOAT)
    node(message, "log", "Print", "split:1", T=FLOAT)
    node(message, "init", "NoOp")
    node(message, "same", "Cast", "split", "^log", SrcT=FLOAT, DstT=INT64)
    node(message, "more", "Greater", "split", "split:1", T=FLOAT)
    signature = extracted(message, tmp_path)
    assert [(t.name, t.dtype) for t in signature.outputs] == [("same", "int64"), ("more", "bool")]


def test_shapes_of_results_are_reported_if_the_writer_kept_them(tmp_path: Path) -> None:
    message = graph()
    end = node(message, "y", "Relu", T=FLOAT)
    shape = end.attributes.add(key="_output_shapes").value.list.shapes.add()
    for size in (-1, 5):
        shape.dims.add(size=size)
    signature = extracted(message, tmp_path)
    assert signature.outputs[0].shape == (-1, 5)
    assert "outputs" not in signature.unknown


def test_an_input_of_unknown_rank_has_no_shape(tmp_path: Path) -> None:
    message = graph()
    node(message, "x", "Placeholder").attributes.add(key="shape").value.shape.unknown_rank = True
    assert extracted(message, tmp_path).inputs[0].shape is None


def test_operators_of_functions_are_counted(tmp_path: Path) -> None:
    message = graph()
    node(message, "call", "PartitionedCall")
    message.library.functions.add().nodes.add(name="tanh", op="Tanh")
    assert extracted(message, tmp_path).operators == {"PartitionedCall": 1, "Tanh": 1}


def test_weights_are_counted_and_not_read(tmp_path: Path) -> None:
    message = graph()
    value = node(message, "w", "Const").attributes.add(key="value").value
    value.tensor.dtype = FLOAT
    value.tensor.shape.dims.add(size=2**20)
    node(message, "y", "Relu", "w", T=FLOAT)
    path = write(tmp_path, "model.graphdef", message.SerializeToString()) / "model.graphdef"
    with path.open("ab") as file:
        file.write(b"\x7a\x80\x80\x80\x80\x20")  # field 15 of 8 GB, a hole
        file.truncate(path.stat().st_size + 6 + 8 * 1024**3)
    signature = extract_signature("GraphDef", tmp_path)
    assert signature.parameters
    assert signature.parameters.bytes_by_dtype == {"float32": 4 * 2**20}


@pytest.mark.parametrize("name", ["frozen_graph.pb", "weights"])
def test_a_graph_is_recognised_by_its_first_node(tmp_path: Path, name: str) -> None:
    assert detect_format(write(tmp_path, name, REAL)) == "GraphDef"


def test_a_graph_is_recognised_by_a_large_first_node(tmp_path: Path) -> None:
    message = graph()
    node(message, "net/w", "Const", *["x" * 1000] * 3000)
    assert detect_format(write(tmp_path, "frozen.pb", message.SerializeToString())) == "GraphDef"


def test_a_pb_file_that_is_a_graph_is_read(tmp_path: Path) -> None:
    assert extract_signature("GraphDef", write(tmp_path, "frozen_graph.pb", REAL)).operators


def test_a_pb_file_of_another_format_is_not_a_graph(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidModelError, match=r"there is no \*\.graphdef .* nor another file there that begins as GraphDef"
    ):
        validate_layout("GraphDef", write(tmp_path, "predict_net.pb", REAL))


def test_a_weight_of_impossible_size_is_refused(tmp_path: Path) -> None:
    message = graph()
    shape = node(message, "w", "Const").attributes.add(key="value").value.tensor.shape
    for _ in range(3):
        shape.dims.add(size=2**40)
    with pytest.raises(InvalidModelError, match="impossible dimensions"):
        extracted(message, tmp_path)


def constant(message: Any, kind: int, *sizes: int) -> Any:
    """A weight of a type and shape, read by `y`."""
    tensor = node(message, "w", "Const").attributes.add(key="value").value.tensor
    tensor.dtype = kind
    for size in sizes:
        tensor.shape.dims.add(size=size)
    node(message, "y", "Relu", "w", T=FLOAT)
    return tensor


@pytest.mark.parametrize(
    ("kind", "by_dtype"),
    [(11, {"qint8": 8}), (13, {"qint32": 32}), (27, {"float8_e4m3b11fnuz": 8}), (31, {"int2": 2}), (32, {"uint2": 2})],
)
def test_every_type_of_tensorflow_is_counted(tmp_path: Path, kind: int, by_dtype: dict[str, int]) -> None:
    message = graph()
    constant(message, kind, 8)
    signature = extracted(message, tmp_path)
    assert signature.parameters
    assert signature.parameters.bytes_by_dtype == by_dtype
    assert "parameters" not in signature.unknown


def test_a_constant_of_an_unknown_type_is_counted_with_its_bytes(tmp_path: Path) -> None:
    shape = field(2, field(1, 8))
    value = field(8, field(1, 99) + field(2, shape) + field(4, b"abcde"))
    weight = field(1, b"w") + field(2, b"Const") + field(5, field(1, b"value") + field(2, value))
    signature = extract_signature("GraphDef", write(tmp_path, "model.graphdef", field(1, weight)))
    assert signature.parameters
    assert (signature.parameters.count, signature.parameters.bytes_by_dtype) == (8, {"unknown type 99": 5})
    assert "unknown type 99" in signature.unknown["parameters"]


def test_an_input_and_a_result_of_an_unknown_type_have_a_reason(tmp_path: Path) -> None:
    message = graph()
    node(message, "x", "Placeholder", dtype=99)
    node(message, "y", "Relu", "x", T=98)
    node(message, "open", "Mystery", "x")
    signature = extracted(message, tmp_path)
    reason = "its elements are of unknown type {}: newer than this version of Klever"
    assert (signature.unknown["x"], signature.unknown["y"]) == (reason.format(99), reason.format(98))
    assert "open" not in signature.unknown


def test_constants_of_functions_are_weights_too(tmp_path: Path) -> None:
    message = graph()
    node(message, "y", "If")
    function = message.library.functions.add()
    tensor = function.nodes.add(name="w", op="Const").attributes.add(key="value").value.tensor
    tensor.dtype = FLOAT
    tensor.shape.dims.add(size=3)
    signature = extracted(message, tmp_path)
    assert signature.parameters
    assert signature.parameters.bytes_by_dtype == {"float32": 12}
