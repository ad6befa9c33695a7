"""Writes ONNX files, for programs that convert models of tables."""

from typing import Any

import onnx

from ..program import INPUT_SHAPE_NEEDED, ProblemError, Request
from .names import as_declared

FILE = "model.onnx"
OPSET = 17
"""Default opset of ONNX's own operators: all runtimes of the last years support it."""


def opset(request: Request) -> int:
    """Return the requested opset. Raises ProblemError if it is not a number."""
    text = str(request.options.get("opset", OPSET))
    if not text.isdecimal():
        raise ProblemError(INPUT_SHAPE_NEEDED, f"the option opset is a number such as {OPSET}, not {text!r}")
    return int(text)


def save(model: Any, request: Request) -> None:
    """Write the ONNX model with the source's names; scores are one matrix, not a map for each row."""
    onnx.save_model(as_declared(without_maps(model), request), request.destination / FILE)


def without_maps(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without the ZipMap operators that converters add after probabilities."""
    for node in model.graph.node:
        if node.op_type == "ZipMap":
            node.CopyFrom(onnx.helper.make_node("Identity", node.input, node.output, name=node.name))
    for output in model.graph.output:
        if output.type.HasField("sequence_type"):
            output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, [None, None]))
    return model
