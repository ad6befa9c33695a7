"""Two iris classifiers as ONNX models, with coefficients of scikit-learn's LogisticRegression.

`tests/unit/klever/test_iris.py` trains them again and compares.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLASSES = ("setosa", "versicolor", "virginica")
SAMPLE = (5.9, 3.0, 5.1, 1.8)
"""Sepal length and width, petal length and width in cm: the last flower of the data set, a virginica."""


@dataclass(frozen=True)
class Classifier:
    """A multinomial logistic regression over the four measures.

    Attributes:
        regularisation: scikit-learn's C.
        coefficients: [3 classes, 4 measures].
        intercepts: [3 classes].
    """

    regularisation: float
    coefficients: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]


V1 = Classifier(
    regularisation=1.0,
    coefficients=(
        (-0.423506, 0.96735, -2.517154, -1.079336),
        (0.53446, -0.321589, -0.206392, -0.944297),
        (-0.110954, -0.645761, 2.723546, 2.023633),
    ),
    intercepts=(9.84955, 2.237217, -12.086767),
)
V2 = Classifier(
    regularisation=100.0,
    coefficients=(
        (-0.391729, 3.413548, -6.40303, -3.510191),
        (1.356574, 0.444648, -0.51342, -4.413319),
        (-0.964845, -3.858196, 6.91645, 7.92351),
    ),
    intercepts=(19.927642, 5.238043, -25.165685),
)


def write_model(classifier: Classifier, directory: Path) -> Path:
    """Write a model directory for `ormb push`: an ormbfile and an ONNX model.

    The model has the input `x` float32 [N, 4], and the outputs `label` int64 [N] and `probabilities` float32 [N, 3].
    """
    (directory / "model").mkdir(parents=True)
    (directory / "ormbfile.yaml").write_text(_ormbfile(classifier))
    (directory / "model" / "model.onnx").write_bytes(onnx_model(classifier).SerializeToString())
    return directory


def onnx_model(classifier: Classifier) -> Any:
    """Return the classifier as an ONNX ModelProto, opset 17."""
    from onnx import TensorProto, helper  # noqa: PLC0415 - 0.2 s that only the demo needs

    weights = [value for measure in zip(*classifier.coefficients, strict=True) for value in measure]
    nodes = [
        helper.make_node("Gemm", ["x", "coefficients", "intercepts"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "iris",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["N"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 3]),
        ],
        [
            helper.make_tensor("coefficients", TensorProto.FLOAT, [4, 3], weights),
            helper.make_tensor("intercepts", TensorProto.FLOAT, [3], classifier.intercepts),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, producer_name="klever-demo", opset_imports=opset, ir_version=8)


def _ormbfile(classifier: Classifier) -> str:
    return (
        "format: ONNX\n"
        "framework: scikit-learn\n"
        "description: Classifies iris species by four measurements of the flower.\n"
        f"hyperParameters:\n- name: C\n  value: '{classifier.regularisation}'\n"
    )
