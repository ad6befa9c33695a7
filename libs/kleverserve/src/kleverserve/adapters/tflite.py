"""TensorFlow Lite models, run by LiteRT on the CPU, which has kernels for all operators of the format.

OpenVINO also reads the format, but silently returns wrong results for some models (UNIQUE; see docs/performance.md).
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from kleverserve.breakage import is_broken
from kleverserve.errors import ModelLoadError
from kleverserve.model import TensorSpec
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype
from modelfiles.recognition import TFLITE

from .files import one_line
from .runs import running

DATATYPES = {kind: datatype for datatype, kind in NUMPY_TYPES.items() if datatype is not Datatype.BYTES}


def load(directory: Path, *, threads: int) -> "LiteRtModel":
    """Load the model in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, or LiteRT cannot run it.
    """
    return LiteRtModel(TFLITE.file(directory), threads=threads)


class LiteRtModel:
    """A model as a `Model`. Each thread that predicts has a separate interpreter for the same mapped file.

    Raises:
        ModelLoadError: LiteRT cannot run it, or the protocol does not support an element type.
    """

    platform = "litert_tflite"
    row_wise = False
    example = None

    def __init__(self, file: Path, *, threads: int) -> None:
        self._file = file
        self._threads = threads
        self._own = threading.local()
        try:
            interpreter = (
                self._interpreter()
            )  # not kept: it has packed its own weights, and predictions run in other threads
            self.inputs = [_describe(detail) for detail in interpreter.get_input_details()]
            self._allocate(interpreter)
        except (RuntimeError, ValueError) as error:
            raise ModelLoadError(f"LiteRT cannot load {file}: {one_line(error)}") from error
        self.outputs = [_describe(detail) for detail in interpreter.get_output_details()]

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the model; see `Model.predict`."""
        interpreter = self._own.__dict__.pop("interpreter", None) or self._interpreter()
        with running():
            results = _run(interpreter, inputs, outputs)
        self._own.interpreter = interpreter  # an interpreter that failed is discarded, because it repeats its error
        return results

    def _allocate(self, interpreter: Any) -> None:
        """Let LiteRT select its kernels. Open dimensions are 1 here, which the model need not accept."""
        try:
            interpreter.allocate_tensors()
        except RuntimeError as error:
            is_open = any(-1 in (spec.shape or ()) for spec in self.inputs)
            if not is_open or is_broken(error):
                raise

    def _interpreter(self) -> Any:
        return Interpreter(model_path=str(self._file), num_threads=self._threads)


def _run(interpreter: Any, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
    given = {detail["name"]: detail for detail in interpreter.get_input_details()}
    for name, detail in given.items():
        if tuple(detail["shape"]) != inputs[name].shape:
            interpreter.resize_tensor_input(detail["index"], inputs[name].shape, strict=True)
    interpreter.allocate_tensors()
    for name, detail in given.items():
        interpreter.set_tensor(detail["index"], inputs[name])
    interpreter.invoke()
    taken = {detail["name"]: detail["index"] for detail in interpreter.get_output_details()}
    return {name: interpreter.get_tensor(taken[name]) for name in outputs}


def _describe(detail: Mapping[str, Any]) -> TensorSpec:
    name, kind = str(detail["name"]), np.dtype(detail["dtype"])
    if kind not in DATATYPES:
        raise ModelLoadError(f"'{name}' holds elements of type {kind}, which LiteRT or V2 does not support")
    declared = detail["shape_signature"] if len(detail["shape_signature"]) else detail["shape"]
    return TensorSpec(name, DATATYPES[kind], tuple(int(length) for length in declared))
