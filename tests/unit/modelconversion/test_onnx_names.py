"""Names in converted ONNX models are those of the source."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper

from modelconversion.programs.onnx import scores as onnx_scores
from modelconversion.programs.onnx.names import as_declared, rename
from modelconversion.programs.program import Input, Request

ROWS = np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)


def model(nodes: list[tuple[str, list[str], list[str]]], outputs: dict[str, list[int | None]]) -> ModelProto:
    """A model with one float matrix `X` of two columns as input, and float tensors as outputs."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(
        [helper.make_node(kind, taken, made) for kind, taken, made in nodes],
        "g",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])],
        values,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def run(made: ModelProto) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: ROWS}), strict=True))


def request(inputs: tuple[Input, ...], outputs: tuple[Input, ...]) -> Request:
    nowhere = Path()
    return Request(nowhere, nowhere, nowhere, inputs=inputs, outputs=outputs)


def test_numbers_keep_their_names_if_the_new_ones_were_taken() -> None:
    made = model([("Neg", ["X"], ["first"]), ("Abs", ["first"], ["second"])], {"first": [None, 2], "second": [None, 2]})
    rename(made, ["first"], ["second", "x"])
    given = run(made)
    np.testing.assert_array_equal(given["second"], -ROWS)
    np.testing.assert_array_equal(given["x"], abs(ROWS))
    assert [value.name for value in made.graph.input] == ["first"]


def test_a_conflicting_name_inside_the_graph_is_renamed() -> None:
    made = model([("Neg", ["X"], ["predict"]), ("Abs", ["predict"], ["Y"])], {"Y": [None, 2]})
    rename(made, ["input"], ["predict"])
    np.testing.assert_array_equal(run(made)["predict"], abs(ROWS))


def test_branches_use_the_new_name() -> None:
    inner = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 2]) for name in ("a", "b")]
    branches = [
        helper.make_graph([helper.make_node(kind, ["X"], [value.name])], "branch", [], [value])
        for kind, value in zip(("Neg", "Abs"), inner, strict=True)
    ]
    made = model([], {"Y": [None, 2]})
    made.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    made.graph.node.append(helper.make_node("If", ["yes"], ["Y"], then_branch=branches[0], else_branch=branches[1]))
    rename(made, ["input"], ["a"])
    np.testing.assert_array_equal(run(made)["a"], -ROWS)


def test_a_different_number_of_tensors_keeps_the_old_names() -> None:
    made = model([("Neg", ["X"], ["Y"])], {"Y": [None, 2]})
    rename(made, ["width", "length"], ["predict"])
    assert [value.name for value in made.graph.input] == ["X"]
    assert list(run(made)) == ["predict"]


def test_a_column_becomes_a_vector_like_the_sources_output() -> None:
    made = model([("ReduceSum", ["X", "axis"], ["variable"])], {"variable": [None, 1]})
    made.graph.initializer.append(helper.make_tensor("axis", TensorProto.INT64, [1], [1]))
    asked = request((Input("input", shape=(-1, 2)),), (Input("predict", shape=(-1,)),))
    assert run(as_declared(made, asked))["predict"].tolist() == [-1.0, 7.0]


def test_only_the_outputs_of_the_booster_remain_of_labels_and_probabilities() -> None:
    def classifier() -> ModelProto:
        return model(
            [("ReduceMax", ["X"], ["label"]), ("Softmax", ["X"], ["probabilities"])],
            {"label": [None, 1], "probabilities": [None, 2]},
        )

    shares = np.exp(ROWS) / np.exp(ROWS).sum(axis=1, keepdims=True)
    for change, expected in (
        (onnx_scores.keep_second_probability, shares[:, 1]),
        (onnx_scores.keep_probabilities, shares),
    ):
        made = classifier()
        change(made)
        (scores,) = run(made).values()
        np.testing.assert_allclose(scores, expected, rtol=1e-6)
