"""Converts MXNet checkpoints to ONNX, with MXNet's own exporter."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import json
from collections.abc import Sequence
from typing import Any

import mxnet as mx
import numpy as np
import onnx
from mxnet.onnx.mx2onnx._export_onnx import MXNetGraph

from ..onnx.names import rename
from ..program import INPUT_SHAPE_NEEDED, UNSUPPORTED_OPERATOR, Input, ProblemError, Request, main, versions
from .models import Checkpoint, declared_inputs, first_line, load_checkpoint

FILE = "model.onnx"
OPSET, IR_VERSION = 13, 8
"""The last opset that the exporter supports.

Its public function declares the newest one of onnx, in which a part of its result is invalid.
"""
BATCH = "batch"
SMALL, LARGE = (3, 32), (5, 64)
"""Two sizes for dimensions of any size, of a batch and of others: dimensions of outputs that differ between them are
variable.
"""

Shape = tuple[int | str | None, ...]


def convert(request: Request) -> dict[str, str]:
    """Convert the checkpoint; dimensions of any size are preserved."""
    checkpoint = load_checkpoint(request)
    check_operators(checkpoint)
    inputs = declared_inputs(request, checkpoint.inputs)
    shapes = output_shapes(checkpoint, inputs)
    graph = export(checkpoint, inputs)
    arrange_outputs(graph, [onnx_name(name) for name in checkpoint.used.list_outputs()], shapes)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    rename(model, [], [entry.name for entry in request.outputs] or checkpoint.trained.list_outputs())
    onnx.save_model(model, str(request.destination / FILE))
    return versions("mxnet", "onnx", "numpy")


def check_operators(checkpoint: Checkpoint) -> None:
    """Reject operators that the exporter does not support. Raises ProblemError that names them all."""
    known = {name for opset, names in MXNetGraph.registry_.items() if opset <= OPSET for name in names}
    unknown = sorted({node["op"] for node in json.loads(checkpoint.used.tojson())["nodes"]} - known)
    if unknown:
        raise ProblemError(
            UNSUPPORTED_OPERATOR,
            f"MXNet's exporter does not support the operators {', '.join(unknown)}: build the model from others",
        )


def output_shapes(checkpoint: Checkpoint, inputs: Sequence[Input]) -> list[Shape]:
    """Return the shape of each output; a dimension that depends on one of any size is the batch or None."""
    small, large = (_inferred(checkpoint, inputs, sizes) for sizes in (SMALL, LARGE))
    return [
        tuple(
            a if a == b else BATCH if position == 0 and (a, b) == (SMALL[0], LARGE[0]) else None
            for position, (a, b) in enumerate(zip(one, other, strict=True))
        )
        for one, other in zip(small, large, strict=True)
    ]


def _inferred(checkpoint: Checkpoint, inputs: Sequence[Input], sizes: tuple[int, int]) -> list[tuple[int, ...]]:
    """Return the shapes of the outputs for the given sizes. Raises ProblemError if the inputs' shapes do not fit."""
    shapes = {name: array.shape for name, array in checkpoint.weights.items() if name in checkpoint.used.list_inputs()}
    shapes |= {name: _filled(given, sizes) for name, given in zip(checkpoint.inputs, inputs, strict=True)}
    try:
        _, shapes_of_outputs, _ = checkpoint.used.infer_shape(**shapes)
    except mx.MXNetError as error:
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            f"the inputs as declared do not fit the model ({first_line(error)}): correct their size in ormbfile.yaml",
        ) from error
    if shapes_of_outputs is None:
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            "MXNet cannot infer the outputs' shapes from the inputs': declare all dimensions in ormbfile.yaml",
        )
    return list(shapes_of_outputs)


def _filled(given: Input, sizes: tuple[int, int]) -> tuple[int, ...]:
    """Return the shape of an input with sizes for its dimensions of any size."""
    return tuple(
        size if isinstance(size, int) and size > 0 else sizes[position > 0]
        for position, size in enumerate(given.shape or ())
    )


def _declared(given: Input) -> Shape:
    """Return the shape of an input in ONNX."""
    return tuple(
        size if isinstance(size, str) or size > 0 else BATCH if position == 0 else None
        for position, size in enumerate(given.shape or ())
    )


def export(checkpoint: Checkpoint, inputs: Sequence[Input]) -> Any:
    """Return the ONNX graph. Raises ProblemError if an operator is used in an unsupported way."""
    shapes = [_declared(given) for given in inputs]
    types = [onnx.helper.np_dtype_to_tensor_dtype(np.dtype(given.dtype or "float32")) for given in inputs]
    try:
        return MXNetGraph().create_onnx_graph_proto(
            checkpoint.used,
            checkpoint.weights,
            [_filled(given, SMALL) for given in inputs],
            types,
            opset_version=OPSET,
            dynamic=True,
            dynamic_input_shapes=shapes,
        )
    except (AttributeError, NotImplementedError) as error:
        raise ProblemError(UNSUPPORTED_OPERATOR, f"MXNet's exporter cannot convert the model: {error}") from error


def onnx_name(output: str) -> str:
    """Return the exporter's name of an output of MXNet: without `_output`, with a number if it is one of several."""
    name, separator, number = output.rpartition("_output")
    return name + number if separator and (not number or number.isdecimal()) else output


def arrange_outputs(graph: Any, names: Sequence[str], shapes: Sequence[Shape]) -> None:
    """Put the outputs into the order of the source, with their known shapes."""
    outputs = {output.name: output for output in graph.output}
    if set(outputs) != set(names):
        return  # the exporter renames some outputs of recurrent operators
    del graph.output[:]
    for name, shape in zip(names, shapes, strict=True):
        elements = outputs[name].type.tensor_type.elem_type
        graph.output.append(onnx.helper.make_tensor_value_info(name, elements, shape))


if __name__ == "__main__":
    main(convert)
