"""What is read from a frozen TensorFlow graph."""

from pathlib import Path
from typing import Any

import pytest

from kleverproto.signatures import Signature
from modelformats import InvalidModelError, detect_format, extract_signature, validate_layout
from modelformats.formats.graphdef import SCHEMA
from support.model_files import DATA, FLOAT, INT64, write

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


def test_a_graph_that_tensorflow_froze(tmp_path: Path) -> None:
    found = extract_signature("GraphDef", write(tmp_path, "model.graphdef", REAL))
    assert [(t.name, t.dtype, t.shape) for t in found.inputs] == [("x", "float32", (-1, 4))]
    assert [(t.name, t.dtype, t.shape) for t in found.outputs] == [("label", "int64", None)]
    assert found.operators["MatMul"] == found.operators["Softmax"] == 1
    assert (found.framework, found.framework_version) == ("TensorFlow", None)
    assert found.parameters
    assert found.parameters.count == 4 * 3 + 3 + 1
    assert found.parameters.bytes_by_dtype == {"float32": 60, "int32": 4}
    assert set(found.unknown) == {"outputs", "framework_version"}
    assert found.details["producer"] > 1000


def test_nodes_that_are_consumed_in_any_way_are_no_outputs(tmp_path: Path) -> None:
    message = graph()
    node(message, "x", "Placeholder", dtype=FLOAT)
    node(message, "split", "Split", "x", T=FLOAT)
    node(message, "log", "Print", "split:1", T=FLOAT)
    node(message, "init", "NoOp")
    node(message, "same", "Cast", "split", "^log", SrcT=FLOAT, DstT=INT64)
    node(message, "more", "Greater", "split", "split:1", T=FLOAT)
    found = extracted(message, tmp_path)
    assert [(t.name, t.dtype) for t in found.outputs] == [("same", "int64"), ("more", "bool")]


def test_shapes_of_results_are_told_where_the_writer_kept_them(tmp_path: Path) -> None:
    message = graph()
    end = node(message, "y", "Relu", T=FLOAT)
    shape = end.attributes.add(key="_output_shapes").value.list.shapes.add()
    for size in (-1, 5):
        shape.dims.add(size=size)
    found = extracted(message, tmp_path)
    assert found.outputs[0].shape == (-1, 5)
    assert "outputs" not in found.unknown


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
    found = extract_signature("GraphDef", tmp_path)
    assert found.parameters
    assert found.parameters.bytes_by_dtype == {"float32": 4 * 2**20}


@pytest.mark.parametrize("name", ["frozen_graph.pb", "weights"])
def test_a_graph_is_known_by_its_first_node(tmp_path: Path, name: str) -> None:
    assert detect_format(write(tmp_path, name, REAL)) == "GraphDef"


def test_a_graph_is_known_by_a_first_node_that_is_large(tmp_path: Path) -> None:
    message = graph()
    node(message, "net/w", "Const", *["x" * 1000] * 3000)
    assert detect_format(write(tmp_path, "frozen.pb", message.SerializeToString())) == "GraphDef"


def test_a_pb_file_that_is_a_graph_is_read(tmp_path: Path) -> None:
    assert extract_signature("GraphDef", write(tmp_path, "frozen_graph.pb", REAL)).operators


def test_a_pb_file_of_another_format_is_no_graph(tmp_path: Path) -> None:
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
