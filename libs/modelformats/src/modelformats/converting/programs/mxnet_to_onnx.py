"""MXNet checkpoints to ONNX, with MXNet's own exporter."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import re

import mxnet
import numpy as np
from mxnet.onnx import export_model

from .mxnet_models import declared, first_line, inputs_of, load_checkpoint
from .program import INPUT_SHAPE_NEEDED, UNSUPPORTED_OPERATOR, Input, ProblemError, Request, main, versions

FILE = "model.onnx"
UNKNOWN = re.compile(r"No conversion function registered for op type (\S+)")
BATCH, FREE = 2, 16
"""Sizes that the exporter is told for a first dimension, and for others, of any size."""


def convert(request: Request) -> dict[str, str]:
    """Export the symbol with its arrays; dimensions of any size stay so."""
    graph, arrays = load_checkpoint(request)
    inputs = declared(request, inputs_of(graph, arrays))
    free = any(isinstance(size, str) for entry in inputs for size in _dimensions(entry))
    try:
        export_model(
            graph,
            arrays,
            [_example(entry) for entry in inputs],
            [np.dtype(entry.dtype or "float32").type for entry in inputs],
            str(request.destination / FILE),
            dynamic=free,
            dynamic_input_shapes=[_dimensions(entry) for entry in inputs] if free else None,
        )
    except AttributeError as error:
        operator = UNKNOWN.search(str(error))
        if operator is None:
            raise
        message = f"MXNet's exporter has no conversion for the operator {operator[1]}"
        raise ProblemError(UNSUPPORTED_OPERATOR, message) from error
    except mxnet.MXNetError as error:
        message = f"the model does not take inputs of the declared shapes: {first_line(error)}"
        raise ProblemError(INPUT_SHAPE_NEEDED, message) from error
    return versions("mxnet", "onnx")


def _dimensions(entry: Input) -> tuple[int | str, ...]:
    """Sizes; a name where any size will do."""
    return tuple(
        size if isinstance(size, int) and size > 0 else f"{entry.name}_{position}"
        for position, size in enumerate(entry.shape or ())
    )


def _example(entry: Input) -> tuple[int, ...]:
    return tuple(
        size if isinstance(size, int) else (FREE if position else BATCH)
        for position, size in enumerate(_dimensions(entry))
    )


if __name__ == "__main__":
    main(convert)
