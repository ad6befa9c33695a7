"""Converts each operator of Caffe2 to ONNX (operator set 12). Both store images as batch, channels, height, width."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from ..program import UNSUPPORTED_OPERATOR, ProblemError
from .nets import Operator

IMAGE = 4
LEGACY = 3
"""legacy_pad: round sizes up, like Caffe."""


class Graph:
    """Nodes of ONNX. A value that Caffe2 overwrites gets a new name.

    Args:
        ranks: number of dimensions of each input.
        weights: arrays by name.
    """

    def __init__(self, ranks: Mapping[str, int], weights: Mapping[str, NDArray[Any]]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants = dict(weights)
        self._ranks = {**{name: values.ndim for name, values in weights.items()}, **ranks}
        self._names = {name: name for name in self._ranks}

    def add(self, operator: Operator) -> None:
        """Convert one operator. Raises ProblemError."""
        order = operator.arguments.get("order", b"NCHW")
        if order not in {b"NCHW", "NCHW"}:
            raise ProblemError(UNSUPPORTED_OPERATOR, f"{operator.type} with channels last has no conversion")
        CONVERTERS[operator.type](self, operator)

    def now(self, name: str) -> str:
        """Return the current ONNX name of a value."""
        if name not in self._names:
            raise ProblemError(UNSUPPORTED_OPERATOR, f"an operator has the input {name}, which no operator produces")
        return self._names[name]

    def rank(self, name: str) -> int:
        """Return the number of dimensions of a value."""
        self.now(name)
        return self._ranks[name]

    def constant(self, near: str, values: Any) -> str:
        """Add an array for a node; returns its name."""
        name = self._fresh(f"{near}_constant")
        self.constants[name] = np.asarray(values)
        return name

    def node(
        self,
        kind: str,
        operator: Operator,
        inputs: list[str] | None = None,
        *,
        rank: int | None = None,
        **attributes: Any,
    ) -> None:
        """Add a node with the operator's first output, or with all of them for Split; inputs are names of ONNX."""
        given = [self.now(name) for name in operator.inputs] if inputs is None else inputs
        outputs = operator.outputs if kind == "Split" else operator.outputs[:1]
        made = [self._renewed(name, self.rank(operator.inputs[0]) if rank is None else rank) for name in outputs]
        self.nodes.append(helper.make_node(kind, given, made, **attributes))

    def between(self, kind: str, near: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node whose result only the next one consumes; returns its name."""
        name = self._fresh(near)
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def _renewed(self, name: str, rank: int) -> str:
        made = self._fresh(
            name
        )  # outputs get their own names at the end, because another value may have had them before
        self._names[name], self._ranks[name] = made, rank
        return made

    def _fresh(self, near: str) -> str:
        return f"{near}__{len(self.nodes)}_{len(self.constants)}"


def _window(operator: Operator) -> dict[str, Any]:
    if operator.integer("legacy_pad") in {1, 2}:
        raise ProblemError(UNSUPPORTED_OPERATOR, f"{operator.type} with legacy_pad has no conversion: set the pads")
    return {"strides": operator.pair("stride", 1), "pads": operator.pads()}


def _conv(graph: Graph, operator: Operator) -> None:
    more: dict[str, Any] = {"group": operator.integer("group", 1), "dilations": operator.pair("dilation", 1)}
    kind = "Conv" if operator.type == "Conv" else "ConvTranspose"
    graph.node(kind, operator, rank=IMAGE, **_window(operator), **more)


def _pool(graph: Graph, operator: Operator) -> None:
    kind = operator.type
    if operator.integer("global_pooling"):
        graph.node(f"Global{kind}", operator, rank=IMAGE)
        return
    averages = kind == "AveragePool"
    counted: dict[str, Any] = {"count_include_pad": operator.integer("count_include_pad")} if averages else {}
    ceiling = int(operator.integer("legacy_pad") == LEGACY)
    kernel = operator.pair("kernel", 1)
    graph.node(kind, operator, rank=IMAGE, kernel_shape=kernel, ceil_mode=ceiling, **_window(operator), **counted)


def _fully_connected(graph: Graph, operator: Operator) -> None:
    rows, weights, bias = (graph.now(name) for name in operator.inputs)
    flat = graph.between("Flatten", rows, [rows], axis=operator.integer("axis", 1))
    graph.node("Gemm", operator, [flat, weights, bias], rank=2, transB=1)


def _normalisation(graph: Graph, operator: Operator) -> None:
    given = [graph.now(name) for name in operator.inputs[:5]]
    graph.node("BatchNormalization", operator, given, epsilon=operator.real("epsilon", 1e-5))


def _local_response(graph: Graph, operator: Operator) -> None:
    numbers: dict[str, Any] = {
        name: operator.real(name, default) for name, default in (("alpha", 0.0), ("beta", 0.0), ("bias", 1.0))
    }
    graph.node("LRN", operator, size=operator.integer("size", 1), **numbers)


def _binary(graph: Graph, operator: Operator) -> None:
    """Convert an operator with two operands.

    Caffe2 aligns the second at a dimension of the first; ONNX counts from the end.
    """
    first, second = operator.inputs
    other = graph.now(second)
    if operator.integer("broadcast"):
        behind = (
            graph.rank(first) - operator.integer("axis", graph.rank(first) - graph.rank(second)) - graph.rank(second)
        )
        if behind:
            axes = list(range(graph.rank(second), graph.rank(second) + behind))
            other = graph.between("Unsqueeze", other, [other], axes=axes)
    graph.node(operator.type, operator, [graph.now(first), other])


def _slopes(graph: Graph, operator: Operator) -> None:
    values, slopes = operator.inputs
    behind, name = graph.rank(values) - 2, graph.now(slopes)
    if behind and graph.constants.get(slopes, np.empty(0)).size != 1:
        name = graph.between("Unsqueeze", name, [name], axes=list(range(1, 1 + behind)))
    graph.node("PRelu", operator, [graph.now(values), name])


def _scaled(graph: Graph, operator: Operator) -> None:
    factor = graph.constant(operator.outputs[0], np.float32(operator.real("scale", 1.0)))
    graph.node("Mul", operator, [graph.now(operator.inputs[0]), factor])


def _power(graph: Graph, operator: Operator) -> None:
    exponent = graph.constant(operator.outputs[0], np.float32(operator.real("exponent", 1.0)))
    graph.node("Pow", operator, [graph.now(operator.inputs[0]), exponent])


def _reshape(graph: Graph, operator: Operator) -> None:
    wanted = operator.arguments.get("shape")
    if not wanted:
        raise ProblemError(UNSUPPORTED_OPERATOR, "Reshape to a shape that is computed has no conversion")
    shape = graph.constant(operator.outputs[0], np.asarray(wanted, np.int64))
    graph.node("Reshape", operator, [graph.now(operator.inputs[0]), shape], rank=len(wanted))


def _split(graph: Graph, operator: Operator) -> None:
    sizes = {"split": operator.arguments["split"]} if operator.arguments.get("split") else {}
    graph.node("Split", operator, axis=operator.integer("axis", 1), **sizes)


def _padded(graph: Graph, operator: Operator) -> None:
    if operator.arguments.get("mode", b"constant") not in {b"constant", "constant"}:
        raise ProblemError(UNSUPPORTED_OPERATOR, "PadImage with reflections or edges has no conversion")
    top, left, bottom, right = operator.pads()
    pads = graph.constant(operator.outputs[0], np.asarray([0, 0, top, left, 0, 0, bottom, right], np.int64))
    value = graph.constant(f"{operator.outputs[0]}_value", np.float32(operator.real("value", 0.0)))
    graph.node("Pad", operator, [graph.now(operator.inputs[0]), pads, value])


def _enlarged(graph: Graph, operator: Operator) -> None:
    factors = [1.0, 1.0, operator.real("height_scale", 1.0), operator.real("width_scale", 1.0)]
    scales = graph.constant(operator.outputs[0], np.asarray(factors, np.float32))
    nothing = graph.constant(f"{operator.outputs[0]}_regions", np.empty(0, np.float32))
    given = [graph.now(operator.inputs[0]), nothing, scales]
    graph.node("Resize", operator, given, coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def _same(kind: str, **defaults: float) -> Callable[[Graph, Operator], None]:
    """Return the conversion to the operator of ONNX with the same numeric arguments."""

    def convert(graph: Graph, operator: Operator) -> None:
        numbers: dict[str, Any] = {name: operator.real(name, value) for name, value in defaults.items()}
        graph.node(kind, operator, **numbers)

    return convert


def _with_axis(kind: str, rank: int | None = None) -> Callable[[Graph, Operator], None]:
    def convert(graph: Graph, operator: Operator) -> None:
        graph.node(kind, operator, rank=rank, axis=operator.integer("axis", 1))

    return convert


def _transposed(graph: Graph, operator: Operator) -> None:
    axes = operator.arguments.get("axes")
    order: dict[str, Any] = {"perm": [int(axis) for axis in axes]} if axes else {}
    graph.node("Transpose", operator, **order)


CONVERTERS: dict[str, Callable[[Graph, Operator], None]] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), _conv),
    **dict.fromkeys(("MaxPool", "AveragePool"), _pool),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _binary),
    **{kind: _same(kind) for kind in ("Relu", "Sigmoid", "Tanh", "Abs", "Sum", "Max", "MatMul")},
    "Copy": _same("Identity"),
    "Dropout": _same("Identity"),
    "LeakyRelu": _same("LeakyRelu", alpha=0.01),
    "Elu": _same("Elu", alpha=1.0),
    "Softmax": _with_axis("Softmax"),
    "Concat": _with_axis("Concat"),
    "Flatten": _with_axis("Flatten", 2),
    "FC": _fully_connected,
    "SpatialBN": _normalisation,
    "LRN": _local_response,
    "PRelu": _slopes,
    "Scale": _scaled,
    "Pow": _power,
    "Reshape": _reshape,
    "Split": _split,
    "Transpose": _transposed,
    "PadImage": _padded,
    "ResizeNearest": _enlarged,
}
