"""Converts HistGradientBoosting to ONNX, in place of skl2onnx's converter.

That converter treats categories as thresholds, omits the link of a loss such as Poisson's, and writes booleans, which
protobuf 7 does not accept as numbers.
"""

# mypy: disable-error-code="attr-defined"

from typing import Any

import numpy as np
from onnx import TensorProto
from skl2onnx.common._registration import register_converter

from .hist_trees import tree_attributes

_LABELS = {"i": TensorProto.INT64, "u": TensorProto.INT64, "f": TensorProto.INT64, "U": TensorProto.STRING}
_LINKS = {"IdentityLink": "Identity", "LogLink": "Exp"}
"""Operators that invert a regressor's link."""


def register() -> None:
    """Let skl2onnx use these converters from now on."""
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "output_class_labels": [False, True]}
    register_converter("SklearnHistGradientBoostingRegressor", _regressor, overwrite=True)
    register_converter("SklearnHistGradientBoostingClassifier", _classifier, overwrite=True, options=options)


def _regressor(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    link = type(estimator._loss.link).__name__  # noqa: SLF001  # kept nowhere else
    if link not in _LINKS:
        raise NotImplementedError(f"its loss has a {link}, which this converter does not support")
    raw = _scores(scope, operator, container)
    container.add_node(_LINKS[link], raw, operator.outputs[0].full_name, name=scope.get_unique_operator_name("link"))


def _classifier(scope: Any, operator: Any, container: Any) -> None:
    label, probabilities = (output.full_name for output in operator.outputs)
    raw = _scores(scope, operator, container)

    def add(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        container.add_node(kind, inputs, output, name=scope.get_unique_operator_name(kind), **attributes)
        return output

    def inner(name: str) -> str:
        return str(scope.get_unique_variable_name(name))

    if operator.raw_operator.n_trees_per_iteration_ == 1:
        one = inner("one")
        container.add_initializer(one, TensorProto.FLOAT, [1], [1.0])
        second = add("Sigmoid", [raw], inner("second"))
        first = add("Sub", [one, second], inner("first"), op_version=7)
        add("Concat", [first, second], probabilities, axis=1, op_version=4)
    else:
        add("Softmax", [raw], probabilities, axis=1)
    place = add("ArgMax", [probabilities], inner("place"), axis=1, keepdims=0)
    _add_label(container, operator.raw_operator.classes_, place, label, add, inner)


def _add_label(container: Any, classes: Any, place: str, label: str, add: Any, inner: Any) -> None:
    """Add the class at each position."""
    kind = np.asarray(classes).astype(str).dtype.kind if classes.dtype.kind == "O" else classes.dtype.kind
    if kind not in _LABELS:
        raise NotImplementedError(f"its classes are of type {classes.dtype}: train it with numbers or texts as classes")
    table = inner("classes")
    values = [str(each).encode() for each in classes] if kind == "U" else [int(each) for each in classes]
    container.add_initializer(table, _LABELS[kind], [len(values)], values)
    add("Gather", [table, place], label, axis=0)


def _scores(scope: Any, operator: Any, container: Any) -> str:
    """Add the trees. Returns the name of the sum of their leaves."""
    raw = scope.get_unique_variable_name("scores")
    container.add_node(
        "TreeEnsembleRegressor",
        operator.inputs[0].full_name,
        raw,
        op_domain="ai.onnx.ml",
        op_version=1,
        name=scope.get_unique_operator_name("trees"),
        **tree_attributes(operator.raw_operator),
    )
    return str(raw)
