"""Quantising ONNX models whose weights are stored outside the initializers of the main graph."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from modelconversion.programs.onnx.quantize import convert
from modelconversion.programs.program import ProblemError, Request

WIDTH = 64
X = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", WIDTH])
Y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", WIDTH])


def weights(seed: int = 0, *shape: int) -> NDArray[np.float32]:
    sizes = shape or (WIDTH, WIDTH)
    return np.asarray(np.random.default_rng(seed).standard_normal(sizes) / WIDTH**0.5, np.float32)


def constant(name: str, values: NDArray[Any]) -> NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values))


def model(*nodes: NodeProto, outputs: tuple[Any, ...] = (Y,), opset: int = 17, **initial: NDArray[Any]) -> ModelProto:
    held = [numpy_helper.from_array(values, name) for name, values in initial.items()]
    graph = helper.make_graph(nodes, "test", [X], outputs, held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def in_constants() -> ModelProto:
    """A model as Paddle and spox export it: a constant for each weight, with or without Identity and Transpose."""
    return model(
        constant("w1", weights(1)),
        helper.make_node("MatMul", ["x", "w1"], ["h1"]),
        constant("w2", weights(2)),
        helper.make_node("Transpose", ["w2"], ["w2t"]),
        helper.make_node("MatMul", ["h1", "w2t"], ["h2"]),
        constant("w3", weights(3)),
        helper.make_node("Identity", ["w3"], ["w3i"]),
        helper.make_node("MatMul", ["h2", "w3i"], ["y"]),
    )


def convolution() -> ModelProto:
    return model(
        constant("image", np.array([-1, 4, 4, 4])),
        helper.make_node("Reshape", ["x", "image"], ["i"]),
        constant("kernel", weights(4, 64, 4, 3, 3)),
        constant("bias", weights(5, 64)),
        helper.make_node("Conv", ["i", "kernel", "bias"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    )


def branch(weight: NDArray[np.float32]) -> GraphProto:
    """A model whose branches use the same names for their own weights, and also weights of the outer graph."""
    nodes = [
        constant("inner", weight),
        helper.make_node("MatMul", ["x", "inner"], ["t"]),
        helper.make_node("MatMul", ["t", "outer"], ["z"]),
    ]
    return helper.make_graph(nodes, "branch", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])


def in_branches() -> ModelProto:
    return model(
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "zero"], ["c"]),
        helper.make_node("If", ["c"], ["y"], then_branch=branch(weights(6)), else_branch=branch(weights(7))),
        zero=np.array(0, np.float32),
        outer=weights(8),
    )


def in_attributes_of_numbers() -> ModelProto:
    return model(
        helper.make_node("Constant", [], ["b"], value_floats=[0.5] * WIDTH),
        helper.make_node("Constant", [], ["two"], value_float=2.0),
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Mul", ["h", "two"], ["d"]),
        helper.make_node("Add", ["d", "b"], ["y"]),
        w=weights(9),
    )


def used_twice() -> ModelProto:
    return model(
        helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "w"], ["y"]), w=weights(10)
    )


def used_as_floats_too() -> ModelProto:
    return model(
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Add", ["h", "w"], ["y"]),
        w=weights(18),
        outputs=(helper.make_tensor_value_info("y", TensorProto.FLOAT, [WIDTH, WIDTH]),),
    )


def an_output_too() -> ModelProto:
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, [8, 8])
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), constant("z", weights(11, 8, 8))]
    return model(*nodes, outputs=(Y, z), w=weights(12))


def of_old_opset() -> ModelProto:
    """A model of IR version 3, in which initializers are inputs too."""
    made = model(helper.make_node("MatMul", ["x", "w"], ["y"]), opset=9, w=weights(13))
    made.ir_version = 3
    made.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [WIDTH, WIDTH]))
    return made


def embedding() -> ModelProto:
    return model(
        helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        constant("table", weights(14, 4, WIDTH)),
        helper.make_node("Gather", ["table", "i"], ["g"]),
        helper.make_node("ReduceMean", ["g"], ["m"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["m", "w"], ["y"]),
        w=weights(15),
    )


def computed_kernel() -> ModelProto:
    """A model with one convolution that cannot be quantised."""
    return model(
        constant("image", np.array([1, 1, -1, WIDTH])),
        helper.make_node("Reshape", ["x", "image"], ["i"]),
        helper.make_node("Sigmoid", ["i"], ["kernel"]),
        helper.make_node("Conv", ["i", "kernel"], ["c"]),
        helper.make_node("Reshape", ["c", "row"], ["r"]),
        helper.make_node("Add", ["x", "r"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["y"]),
        row=np.array([1, 1]),
        w=weights(16),
    )


QUANTISABLE = (
    in_constants,
    convolution,
    in_branches,
    in_attributes_of_numbers,
    used_twice,
    used_as_floats_too,
    an_output_too,
    of_old_opset,
    embedding,
    computed_kernel,
)


def quantised(source: ModelProto, kind: str, directory: Path) -> tuple[Path, Path]:
    """Quantise a model. Return the files before and after."""
    before, after = directory / "before", directory / "after"
    before.mkdir()
    after.mkdir()
    file = before / "any.onnx"
    file.write_bytes(source.SerializeToString())
    convert(Request(before, after, directory / "report.json", options={"quantize": kind}, files=(file,)))
    return file, after / "model.onnx"


def answers(path: Path, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs), strict=True))


def float_weights(path: Path) -> int:
    """The bytes of initializers in every graph."""
    return sum(len(values) for values in _raw_floats(onnx.load(path).graph))


def _raw_floats(graph: GraphProto) -> list[bytes]:
    own = [tensor.raw_data for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT]
    inner = [attribute.g for node in graph.node for attribute in node.attribute if attribute.HasField("g")]
    return own + [raw for each in inner for raw in _raw_floats(each)]


@pytest.mark.parametrize(("kind", "share", "off"), [("int8", 0.75, 0.05), ("fp16", 0.65, 0.005)])
@pytest.mark.parametrize("make", QUANTISABLE)
def test_a_quantised_model_is_smaller_and_answers_alike(
    make: Callable[[], ModelProto], kind: str, share: float, off: float, tmp_path: Path
) -> None:
    before, after = quantised(make(), kind, tmp_path)
    assert after.stat().st_size < share * before.stat().st_size
    inputs = {"x": np.abs(np.random.default_rng(1).standard_normal((1, WIDTH)).astype(np.float32))}
    expected, actual = answers(before, inputs), answers(after, inputs)
    assert list(actual) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(actual[name], values, rtol=0, atol=off * np.abs(values).max())


@pytest.mark.parametrize("make", [in_constants, convolution, in_branches, embedding])
def test_the_weights_of_an_int8_model_are_integers(make: Callable[[], ModelProto], tmp_path: Path) -> None:
    before, after = quantised(make(), "int8", tmp_path)
    assert float_weights(after) < 0.1 * before.stat().st_size


def trees() -> ModelProto:
    attributes: dict[str, Any] = {
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_ids": [0, 0],
        "target_nodeids": [1, 2],
        "target_treeids": [0, 0],
        "target_weights": [1.0, 2.0],
        "n_targets": 1,
    }
    made = model(helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **attributes))
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    made.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    return made


def tiny() -> ModelProto:
    """A model with fewer weights than the quantising operators add."""
    return model(
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        w=weights(17, WIDTH, 1),
        outputs=(helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 1]),),
    )


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (trees, "int8", "no weights that can be quantised to int8: .* it has TreeEnsembleRegressor"),
        (trees, "fp16", "no weights that can be quantised to fp16: .* it has TreeEnsembleRegressor"),
        (tiny, "int8", r"the int8 model would have \d+ bytes, the model itself has \d+"),
    ],
)
def test_a_model_that_would_not_become_smaller_is_refused(
    make: Callable[[], ModelProto], kind: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ProblemError, match=message) as caught:
        quantised(make(), kind, tmp_path)
    assert caught.value.code == "unsupported_operator"


def test_a_model_that_onnx_runtime_does_not_load_is_refused_with_the_reason(tmp_path: Path) -> None:
    foreign = model(helper.make_node("Mystery", ["x"], ["y"]))
    with pytest.raises(ProblemError, match=r"ONNX Runtime cannot load any\.onnx: .*Mystery") as caught:
        quantised(foreign, "int8", tmp_path)
    assert caught.value.code == "invalid_model"
