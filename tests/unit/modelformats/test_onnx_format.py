"""Parsing ONNX files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx import IR_VERSION, ModelProto, TensorProto, ValueInfoProto, helper
from onnx.defs import onnx_opset_version

from kleverproto.signatures import Signature
from modelfiles.protobuf.skimming import Schema
from modelformats import InvalidModelError, extract_signature
from modelformats.formats.onnx_messages import MESSAGES, SCHEMA
from support import onnx_models
from support.model_files import write

FLOAT = TensorProto.FLOAT
OUTPUT = helper.make_tensor_value_info("y", FLOAT, [2, 3])


def extracted(model: ModelProto, directory: Path) -> Signature:
    return extract_signature("ONNX", write(directory, "model.onnx", model.SerializeToString()))


def with_initializer(weights: TensorProto) -> ModelProto:
    """A model that returns its weights."""
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "g", [], [OUTPUT], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_tensors_operators_and_opset_are_reported(tmp_path: Path) -> None:
    signature = extracted(onnx_models.iris_classifier(), tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("X", "float32", (-1, 4))]
    assert [t.name for t in signature.outputs] == ["output_label", "output_probability"]
    assert signature.operators["LinearClassifier"] == 1
    assert signature.details["opset"]["ai.onnx.ml"] == 1


def test_an_output_that_is_not_a_tensor_is_reported_with_the_reason(tmp_path: Path) -> None:
    signature = extracted(onnx_models.split_sequence(with_tensor=True), tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [
        ("parts", None, None),
        ("X_out", "float32", ("n",)),
    ]
    assert signature.unknown == {
        "parts": "not a tensor but a sequence, map or optional, which has no dtype and shape of its own"
    }


def test_every_datatype_has_its_numpy_name(tmp_path: Path) -> None:
    signature = extracted(onnx_models.identity(), tmp_path)
    assert {t.name: t.dtype for t in signature.inputs} == {
        "BOOL": "bool",
        "BYTES": "str",
        "FP16": "float16",
        "FP32": "float32",
        "FP64": "float64",
        **{f"INT{n}": f"int{n}" for n in (8, 16, 32, 64)},
        **{f"UINT{n}": f"uint{n}" for n in (8, 16, 32, 64)},
    }


def test_dimensions_are_numbers_names_or_unknown(tmp_path: Path) -> None:
    inputs = [
        helper.make_tensor_value_info("mixed", FLOAT, ["batch", 3, None, 0]),
        helper.make_tensor_value_info("negative", FLOAT, [-7, 4]),
        helper.make_tensor_value_info("scalar", FLOAT, []),
        helper.make_tensor_value_info("no_rank", FLOAT, None),
    ]
    graph = helper.make_graph([helper.make_node("Identity", ["mixed"], ["y"])], "g", inputs, [OUTPUT])
    signature = extracted(helper.make_model(graph), tmp_path)
    assert {t.name: t.shape for t in signature.inputs} == {
        "mixed": ("batch", 3, -1, 0),
        "negative": (-1, 4),
        "scalar": (),
        "no_rank": None,
    }


def test_an_input_with_a_default_is_optional(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info(name, FLOAT, [1]) for name in ("x", "w")]
    weights = helper.make_tensor("w", FLOAT, [1], [1.0])
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", inputs, [OUTPUT], [weights])
    assert [t.name for t in extracted(helper.make_model(graph), tmp_path).inputs] == ["x"]


def test_operators_inside_loops_are_counted(tmp_path: Path) -> None:
    assert extracted(onnx_models.loop(), tmp_path).operators == {"Add": 1, "Identity": 1, "Loop": 1}


def test_operators_inside_functions_and_both_branches_are_counted(tmp_path: Path) -> None:
    def branch(name: str, *nodes: str) -> object:
        return helper.make_graph([helper.make_node(op, ["x"], [f"{name}{op}"]) for op in nodes], name, [], [OUTPUT])

    twice = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    either = helper.make_node(
        "If", ["c"], ["y"], then_branch=branch("t", "Relu", "Twice"), else_branch=branch("e", "Relu")
    )
    graph = helper.make_graph([either], "g", [helper.make_tensor_value_info("c", TensorProto.BOOL, [])], [OUTPUT])
    signature = extracted(helper.make_model(graph, functions=[twice]), tmp_path)
    assert signature.operators == {"Add": 1, "If": 1, "Relu": 2, "Twice": 1}


def test_the_exporter_and_its_version_are_the_framework(tmp_path: Path) -> None:
    model = onnx_models.pairs_only()
    model.producer_name, model.producer_version = "pytorch", "2.13.0"
    signature = extracted(model, tmp_path)
    assert (signature.framework, signature.framework_version) == ("pytorch", "2.13.0")
    assert signature.details == {"ir_version": 9, "opset": {"ai.onnx": 17}, "graph": "pairs"}


def test_a_model_of_an_unknown_exporter_has_the_framework_onnx(tmp_path: Path) -> None:
    signature = extracted(onnx_models.pairs_only(), tmp_path)
    assert (signature.framework, signature.framework_version) == ("ONNX", None)


def test_weights_are_counted_by_datatype(tmp_path: Path) -> None:
    model = with_initializer(helper.make_tensor("w", FLOAT, [2, 3], [0.0] * 6))
    model.graph.initializer.append(helper.make_tensor("shape", TensorProto.INT64, [2], [2, 3]))
    parameters = extracted(model, tmp_path).parameters
    assert parameters is not None
    assert (parameters.count, parameters.bytes_by_dtype) == (8, {"float32": 24, "int64": 16})


@pytest.mark.parametrize("dims", [[-5], [2**62] * 3, [2**62] * 20_000], ids=["negative", "too-large", "very-many"])
def test_weights_of_impossible_size_are_refused(tmp_path: Path, dims: list[int]) -> None:
    weights = TensorProto(name="w", data_type=FLOAT, dims=dims)
    with pytest.raises(InvalidModelError, match="a tensor has impossible dimensions"):
        extracted(with_initializer(weights), tmp_path)


def test_a_file_without_a_graph_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"model\.onnx has no graph"):
        extracted(ModelProto(ir_version=9), tmp_path)


def test_weights_inside_subgraphs_and_sparse_ones_are_counted(tmp_path: Path) -> None:
    inner = helper.make_graph([], "inner", [], [], [TensorProto(name="a", data_type=FLOAT, dims=[3])])
    node = helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)
    x = helper.make_tensor_value_info("x", TensorProto.BOOL, [])
    y = helper.make_tensor_value_info("y", FLOAT, [3])
    graph = helper.make_graph([node], "g", [x], [y])
    graph.sparse_initializer.add().values.CopyFrom(TensorProto(name="s", data_type=TensorProto.FLOAT16, dims=[5]))
    parameters = extracted(helper.make_model(graph), tmp_path).parameters
    assert parameters is not None
    assert parameters.bytes_by_dtype == {"float16": 10, "float32": 24}


@pytest.mark.parametrize("make", [onnx_models.iris_classifier, onnx_models.loop, onnx_models.identity])
def test_files_of_any_size_are_read_alike(tmp_path: Path, make: Callable[[], ModelProto]) -> None:
    path = write(tmp_path, "model.onnx", make().SerializeToString()) / "model.onnx"
    walked = Schema("klever.walked", MESSAGES, "ModelProto", at_once=0).read(path)
    whole = SCHEMA.message()
    whole.ParseFromString(walked.SerializeToString())
    loaded = SCHEMA.read(path)
    loaded.DiscardUnknownFields()
    assert whole == loaded


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("sparse tensor", lambda name: helper.make_sparse_tensor_value_info(name, FLOAT, [2, 3])),
        ("sequence, map or optional", lambda name: helper.make_tensor_sequence_value_info(name, FLOAT, [3])),
    ],
)
def test_an_input_that_is_not_a_plain_tensor_has_a_warning(
    tmp_path: Path, kind: str, make: Callable[[str], ValueInfoProto]
) -> None:
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [make("x")], [OUTPUT])
    signature = extracted(helper.make_model(graph), tmp_path)
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("x", None, None)]
    assert signature.unknown["x"] == f"not a tensor but a {kind}, which has no dtype and shape of its own"
    assert f"the input 'x' is a {kind}, which the inference protocol lacks" in signature.warnings[0]


@pytest.mark.parametrize(
    "kind", [TensorProto.BFLOAT16, TensorProto.INT2, TensorProto.FLOAT8E5M2, TensorProto.COMPLEX64]
)
def test_tensors_without_a_datatype_of_the_protocol_have_a_warning(tmp_path: Path, kind: int) -> None:
    x, y = (helper.make_tensor_value_info(name, of, [4]) for name, of in (("x", kind), ("y", TensorProto.INT8)))
    graph = helper.make_graph([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT8)], "g", [x], [y])
    signature = extracted(helper.make_model(graph), tmp_path)
    assert [warning.partition(",")[0] for warning in signature.warnings] == [
        f"the input 'x' is of type {signature.inputs[0].dtype}"
    ]


@pytest.mark.parametrize(
    ("ir", "opset", "warned"),
    [
        (IR_VERSION, onnx_opset_version(), []),
        (IR_VERSION + 1, onnx_opset_version(), [f"IR version {IR_VERSION + 1}"]),
        (IR_VERSION, onnx_opset_version() + 1, [f"opset {onnx_opset_version() + 1}"]),
    ],
)
def test_versions_newer_than_the_known_ones_have_a_warning(
    tmp_path: Path, ir: int, opset: int, warned: list[str]
) -> None:
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [], [OUTPUT])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = ir
    signature = extracted(model, tmp_path)
    assert (signature.details["ir_version"], signature.details["opset"]) == (ir, {"ai.onnx": opset})
    assert [warning.partition("ONNX ")[2].partition(",")[0] for warning in signature.warnings] == warned
