"""Shared by the formats that OpenVINO reads: a model compiled for the CPU, with float32 precision.

Without the hint for the precision, some processors compute in bfloat16, which changes the fourth digit of results.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from kleverserve.errors import ModelLoadError
from kleverserve.model import TensorSpec
from kleverserve.tensors import Array, Datatype

from .declared import FILE_NAME, Declared, declared_signature
from .files import one_line
from .runs import running

DATATYPES = {
    "boolean": Datatype.BOOL,
    "u8": Datatype.UINT8,
    "u16": Datatype.UINT16,
    "u32": Datatype.UINT32,
    "u64": Datatype.UINT64,
    "i8": Datatype.INT8,
    "i16": Datatype.INT16,
    "i32": Datatype.INT32,
    "i64": Datatype.INT64,
    "f16": Datatype.FP16,
    "f32": Datatype.FP32,
    "f64": Datatype.FP64,
    "string": Datatype.BYTES,
}

SINK = "/sink_port_"
"""The text between the name of a result and its number in the name of its node."""

PLACES = 2
"""The output of Unique with the position of each value among the unique values."""

Name = Callable[[str], str]
"""Maps OpenVINO's name of a tensor to the name in the original model."""


def compiled(file: Path, directory: Path, *, threads: int, name: Name = str) -> "tuple[Any, Name, int]":
    """Read and compile a model.

    One run uses at most `threads` threads, and the cores limit the number of parallel runs. The result contains the
    number of outputs of the model itself; OpenVINO needs additional outputs after them. An input of unknown rank gets
    the shape that ormbfile.yaml declares.

    Raises:
        ModelLoadError: OpenVINO cannot read or run the model.
    """
    core = openvino.Core()
    at_once = max(1, len(os.sched_getaffinity(0)) // threads)
    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": at_once * threads,
        "NUM_STREAMS": at_once,
    }
    try:
        model = core.read_model(str(file))
        _give_ranks(model, declared_signature(directory).inputs, name)
        outputs = len(model.outputs)
        _output_unique_positions(model)
        return core.compile_model(model, "CPU", hints), name, outputs
    except RuntimeError as error:
        raise ModelLoadError(f"OpenVINO cannot load {file}: {one_line(error)}") from error


class OpenVinoModel:
    """A compiled model as a `Model`. Each thread that predicts has a separate infer request.

    Raises:
        ModelLoadError: the protocol does not support the element type of an input or output.
    """

    row_wise = False
    example = None

    def __init__(self, model: Any, name: Name, outputs: int, *, platform: str) -> None:
        self.platform = platform
        self._model = model
        self._own = threading.local()
        self.inputs = [_describe(port, name) for port in model.inputs]
        self.outputs = [_describe(port, name) for port in model.outputs[:outputs]]
        self._positions = {spec.name: position for position, spec in enumerate(self.outputs)}

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the model; see `Model.predict`."""
        values = [_given(inputs[spec.name]) for spec in self.inputs]
        with running():
            results = self._request().infer(values)
        return {name: _taken(results[self._positions[name]]) for name in outputs}

    def _request(self) -> Any:
        if not hasattr(self._own, "request"):
            self._own.request = self._model.create_infer_request()
        return self._own.request


def _give_ranks(model: Any, declared: Sequence[Declared], name: Name) -> None:
    known = {entry.name: entry.shape for entry in declared}
    shapes = {}
    for port in model.inputs:
        if port.get_partial_shape().rank.is_static:
            continue
        called = _name(port, name)
        shape = known.get(called)
        if shape is None:
            raise ModelLoadError(
                f"the number of dimensions of input '{called}' is not in the file: "
                f"declare its name and size in {FILE_NAME}, under signature.inputs"
            )
        shapes[port] = openvino.PartialShape(list(shape))
    if shapes:
        model.reshape(shapes)


def _output_unique_positions(model: Any) -> None:
    """Make the positions of each Unique an output: if they are unused, OpenVINO computes wrong values."""
    places = [node.output(PLACES) for node in model.get_ops() if node.get_type_name() == "Unique"]
    if unused := [port for port in places if not port.get_target_inputs()]:
        model.add_outputs(unused)


def _name(port: Any, name: Name) -> str:
    """Return the tensor's name that is also the name of its node, without the number that nodes of results have."""
    node, names = str(port.get_node().get_friendly_name()), {str(each) for each in port.get_names()}
    own = node.rpartition(SINK)[0] or node
    return name(own if own in names else min(names, default=node))


def _describe(port: Any, name: Name) -> TensorSpec:
    kind, called = port.get_element_type().get_type_name(), _name(port, name)
    if kind not in DATATYPES:
        raise ModelLoadError(f"'{called}' holds elements of type {kind}, which V2 does not support")
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        return TensorSpec(called, DATATYPES[kind], None)
    lengths = tuple(-1 if length.is_dynamic else length.get_length() for length in shape)
    return TensorSpec(called, DATATYPES[kind], lengths)


def _given(array: Array) -> Array:
    return array.astype(np.str_) if array.dtype == object else array


def _taken(array: Array) -> Array:
    return array.astype(object) if array.dtype.kind in "US" else array
