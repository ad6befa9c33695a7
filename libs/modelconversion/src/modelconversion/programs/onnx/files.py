"""How programs for models of tables write ONNX."""

from typing import Any

import onnx

from ..program import INPUT_SHAPE_NEEDED, ProblemError, Request
from .names import as_declared

FILE = "model.onnx"
OPSET = 17
"""Of ONNX's own operators, unless asked otherwise: what every runtime of the last years has."""


def opset(request: Request) -> int:
    """The opset that was asked for. Raises ProblemError when it is not a number."""
    text = str(request.options.get("opset", OPSET))
    if not text.isdecimal():
        raise ProblemError(INPUT_SHAPE_NEEDED, f"the option opset is a number such as {OPSET}, not {text!r}")
    return int(text)


def save(model: Any, request: Request) -> None:
    """Write the ONNX model with the source's names; scores come out as one matrix, not as a map for each row."""
    onnx.save_model(as_declared(without_maps(model), request), request.destination / FILE)


def without_maps(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the ZipMap operators that converters put behind probabilities."""
    for node in model.graph.node:
        if node.op_type == "ZipMap":
            node.CopyFrom(onnx.helper.make_node("Identity", node.input, node.output, name=node.name))
    for output in model.graph.output:
        if output.type.HasField("sequence_type"):
            output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, [None, None]))
    return model
