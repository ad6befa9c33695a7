"""Makes each column of a table an input of an ONNX model, like the model servers."""

# mypy: disable-error-code="import-untyped"

from typing import Any

import onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType

from ..program import Request
from ..tables import feature_count

MATRIX = "X"
_SHAPE = "shape of a column"
_TYPES = {"str": StringTensorType, "int64": Int64TensorType}
"""By the type in the signature; any other type is a number."""


def distinguishes_columns(estimator: Any) -> bool:
    """Return whether the estimator, or its first step, treats columns differently, so that each must be an input."""
    steps = getattr(estimator, "steps", None)
    return distinguishes_columns(steps[0][1]) if steps else hasattr(estimator, "transformers_")


def initial_types(request: Request, estimator: Any) -> list[tuple[str, Any]]:
    """Return the types of inputs for skl2onnx: a column each if the estimator needs that, else one matrix."""
    inputs = request.inputs
    if len(inputs) > 1 and (distinguishes_columns(estimator) or any(each.dtype in _TYPES for each in inputs)):
        return [(each.name, _TYPES.get(each.dtype or "", FloatTensorType)([None, 1])) for each in inputs]
    kind = StringTensorType if inputs and inputs[0].dtype == "str" else FloatTensorType
    if kind is StringTensorType and inputs[0].shape is not None and len(inputs[0].shape) == 1:
        return [(MATRIX, kind([None]))]
    count = getattr(estimator, "n_features_in_", None) or feature_count(request)
    return [(MATRIX, kind([None, count]))]


def with_columns(model: onnx.ModelProto, request: Request) -> None:
    """Give the model an input tensor of one dimension for each column, with the column's name."""
    names = [each.name for each in request.inputs]
    if len(names) <= 1:
        return
    graph, taken = model.graph, {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    if list(taken) == [MATRIX]:
        kinds, columns = [onnx.TensorProto.FLOAT] * len(names), [f"column {place}" for place in range(len(names))]
        joined = [onnx.helper.make_node("Concat", columns, [MATRIX], axis=1)]
    else:  # skl2onnx may have changed the names, but not the order
        kinds, columns, joined = list(taken.values()), [f"{name} as a column" for name in taken], []
        inner = dict(zip(taken, columns, strict=True))
        for node in graph.node:
            node.input[:] = [inner.get(name, name) for name in node.input]
    pairs = zip(names, columns, strict=True)
    nodes = [*(onnx.helper.make_node("Reshape", [name, _SHAPE], [column]) for name, column in pairs), *joined]
    values = zip(names, kinds, strict=True)
    inputs = [onnx.helper.make_tensor_value_info(name, kind, [None]) for name, kind in values]
    others = list(graph.node)
    del graph.node[:], graph.input[:]
    graph.node.extend([*nodes, *others])
    graph.input.extend(inputs)
    graph.initializer.append(onnx.helper.make_tensor(_SHAPE, onnx.TensorProto.INT64, [2], [-1, 1]))
