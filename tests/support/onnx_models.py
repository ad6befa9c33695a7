"""Small ONNX models, each written as a model directory (`model/model.onnx`)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def model_directory(model: ModelProto, directory: Path) -> Path:
    """Write the model in the layout in which the registry's clients unpack it."""
    (directory / "model").mkdir(parents=True)
    (directory / "model" / "model.onnx").write_bytes(model.SerializeToString())
    return directory


def iris_classifier(*, named_classes: bool = False, zip_map: bool = True) -> ModelProto:
    """Logistic regression, optionally with a ZipMap: `X` FP32 [-1, 4] to labels and probabilities."""
    features, species = load_iris(return_X_y=True)
    labels = np.array(["setosa", "versicolor", "virginica"])[species] if named_classes else species
    classifier = LogisticRegression(max_iter=500).fit(features, labels)
    model: ModelProto = to_onnx(classifier, features[:1].astype(np.float32), options={"zipmap": zip_map})
    return model


def identity() -> ModelProto:
    """One input per V2 datatype, named after it, and a copy as output `<datatype>_out`; any length."""
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in ONNX_TYPES]
    inputs = [helper.make_tensor_value_info(name, onnx_type, ["n"]) for name, onnx_type in ONNX_TYPES.items()]
    outputs = [helper.make_tensor_value_info(f"{name}_out", onnx_type, ["n"]) for name, onnx_type in ONNX_TYPES.items()]
    return _model(helper.make_graph(nodes, "identity", inputs, outputs))


def doubling() -> ModelProto:
    """Returns `Y`, twice `X`: FP32 [-1, 4]."""
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "XY"]
    return _model(helper.make_graph([helper.make_node("Add", ["X", "X"], ["Y"])], "doubling", tensors[:1], tensors[1:]))


def loop() -> ModelProto:
    """Counts to `n` one by one, so that a large `n` keeps the server busy."""
    scalar = [1]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["count", "one"], ["counted"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("count", TensorProto.INT64, scalar),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("counted", TensorProto.INT64, scalar),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "", "zero"], ["total"], body=body)],
        "loop",
        [helper.make_tensor_value_info("n", TensorProto.INT64, scalar)],
        [helper.make_tensor_value_info("total", TensorProto.INT64, scalar)],
        [
            helper.make_tensor("zero", TensorProto.INT64, scalar, [0]),
            helper.make_tensor("one", TensorProto.INT64, scalar, [1]),
        ],
    )
    return _model(graph)


def pairs_only() -> ModelProto:
    """Reshapes `X` [-1] to [-1, 2]; fails during the run if the number of values is odd."""
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["X", "shape"], ["Y"])],
        "pairs",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, ["m", 2])],
        [helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 2])],
    )
    return _model(graph)


def look_up(shape: Sequence[str] = ()) -> ModelProto:
    """Returns the entries of a table of three at `index`; other indices are client errors."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "index"], ["entry"])],
        "look_up",
        [helper.make_tensor_value_info("index", TensorProto.INT64, shape)],
        [helper.make_tensor_value_info("entry", TensorProto.FLOAT, shape)],
        [helper.make_tensor("table", TensorProto.FLOAT, [3], [10.0, 20.0, 30.0])],
    )
    return _model(graph)


def detector() -> ModelProto:
    """Returns the positions `found` of the `scores` above one half, whose number does not depend on the rows."""
    graph = helper.make_graph(
        [
            helper.make_node("Greater", ["scores", "half"], ["above"]),
            helper.make_node("NonZero", ["above"], ["positions"]),
            helper.make_node("Reshape", ["positions", "flat"], ["found"]),
        ],
        "detector",
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("found", TensorProto.INT64, ["m"])],
        [
            helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
            helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
        ],
    )
    return _model(graph)


def split_sequence(*, with_tensor: bool) -> ModelProto:
    """Its output `parts` is a sequence of tensors; the optional `X_out` is a tensor."""
    nodes = [helper.make_node("SplitToSequence", ["X"], ["parts"])]
    outputs = [helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)]
    if with_tensor:
        nodes.append(helper.make_node("Identity", ["X"], ["X_out"]))
        outputs.append(helper.make_tensor_value_info("X_out", TensorProto.FLOAT, ["n"]))
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, ["n"])]
    return _model(helper.make_graph(nodes, "split", inputs, outputs))


def _model(graph: GraphProto) -> ModelProto:
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
