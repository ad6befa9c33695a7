"""ONNX models, run by onnxruntime on the CPU.

Classifiers converted by skl2onnx end in a ZipMap: their probabilities are a sequence with one map from class to number
per row. They are served as one FP32 tensor [-1, number of classes]; the parameter `classes` is a JSON list with the
names of its columns, from one run on zeros when the model is loaded. The protocol cannot represent other outputs that
are not tensors: they are omitted with a warning in the log if at least one output remains.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime as ort
import orjson
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from kleverserve.adapters.files import one_line
from kleverserve.errors import ExecutionError, InvalidRequestError, ModelLoadError
from kleverserve.model import TensorSpec
from kleverserve.tensors import NUMPY_TYPES, Array, Datatype
from modelfiles.recognition import ONNX

log = logging.getLogger(__name__)

FATAL_ONLY = 4  # onnxruntime also prints the errors that it raises, and those are reported

DATATYPES = {
    "tensor(bool)": Datatype.BOOL,
    "tensor(uint8)": Datatype.UINT8,
    "tensor(uint16)": Datatype.UINT16,
    "tensor(uint32)": Datatype.UINT32,
    "tensor(uint64)": Datatype.UINT64,
    "tensor(int8)": Datatype.INT8,
    "tensor(int16)": Datatype.INT16,
    "tensor(int32)": Datatype.INT32,
    "tensor(int64)": Datatype.INT64,
    "tensor(float16)": Datatype.FP16,
    "tensor(float)": Datatype.FP32,
    "tensor(double)": Datatype.FP64,
    "tensor(string)": Datatype.BYTES,
}
CLASS_MAPS = ("seq(map(int64,tensor(float)))", "seq(map(string,tensor(float)))")

ClassKeys: TypeAlias = list[int] | list[str]


def load(directory: Path, *, threads: int) -> "OnnxModel":
    """Load the model in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, onnxruntime rejects it, or the protocol cannot represent its tensors.
    """
    return OnnxModel(_session(ONNX.file(directory), threads))


class OnnxModel:
    """An onnxruntime session as a `Model`.

    Raises:
        ModelLoadError: the protocol cannot represent an input, or any of the outputs.
    """

    platform = "onnxruntime_onnx"
    row_wise = False
    """A graph does not show the meaning of its first dimension."""
    example = None

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self.inputs = [_input(node) for node in session.get_inputs()]
        self._classes = self._learn_classes()
        self.outputs = list(self._describe_outputs())

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the session; see `Model.predict`."""
        results = dict(zip(outputs, self._run(inputs, outputs), strict=True))
        for name in self._classes.keys() & results.keys():
            results[name] = _probabilities(results[name], self._classes[name], name=name)
        return results

    def _run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> list[Any]:
        try:
            return list(self._session.run(outputs, inputs))
        except (InvalidArgument, ValueError) as error:
            raise InvalidRequestError(f"the model rejects the inputs: {one_line(error)}") from error
        except Exception as error:  # onnxruntime's errors have no common base class
            raise ExecutionError(f"the model failed: {one_line(error)}") from error

    def _learn_classes(self) -> dict[str, ClassKeys]:
        names = [node.name for node in self._session.get_outputs() if node.type in CLASS_MAPS]
        if not names:
            return {}
        zeros = {spec.name: _zeros(spec) for spec in self.inputs}
        try:
            rows = self._run(zeros, names)
        except (InvalidRequestError, ExecutionError) as error:
            raise ModelLoadError(f"the model's classes could not be learned from a run on zeros: {error}") from error
        return {name: list(maps[0]) for name, maps in zip(names, rows, strict=True)}

    def _describe_outputs(self) -> list[TensorSpec]:
        specs = []
        for node in self._session.get_outputs():
            if node.name in self._classes:
                specs.append(_class_output(node.name, self._classes[node.name]))
            elif node.type in DATATYPES:
                specs.append(TensorSpec(node.name, DATATYPES[node.type], _shape(node.shape)))
            else:
                log.warning("output '%s' is a %s and is not served: V2 supports only tensors", node.name, node.type)
        if not specs:
            raise ModelLoadError("none of the model's outputs is a tensor, so nothing can be served")
        return specs


def _session(file: Path, threads: int) -> ort.InferenceSession:
    ort.set_default_logger_severity(FATAL_ONLY)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = FATAL_ONLY
    options.add_session_config_entry("session.load_model_format", "ONNX")  # regardless of the name of the file
    try:
        return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common base class
        raise ModelLoadError(f"onnxruntime cannot load {file}: {one_line(error)}") from error


def _input(node: ort.NodeArg) -> TensorSpec:
    if node.type not in DATATYPES:
        raise ModelLoadError(f"input '{node.name}' is a {node.type}, but V2 supports only tensors")
    return TensorSpec(node.name, DATATYPES[node.type], _shape(node.shape))


def _shape(shape: Sequence[int | str | None]) -> tuple[int, ...] | None:
    """Return a shape in which symbolic and open dimensions are -1.

    None for `[]`, which is a scalar or an unknown rank.
    """
    return tuple(length if isinstance(length, int) else -1 for length in shape) or None


def _class_output(name: str, classes: ClassKeys) -> TensorSpec:
    # parameters of the protocol are scalars, so the list is JSON text
    names = orjson.dumps(classes).decode()
    return TensorSpec(name, Datatype.FP32, (-1, len(classes)), {"classes": names})


def _probabilities(rows: Any, classes: ClassKeys, *, name: str) -> Array:
    try:
        table = [[row[key] for key in classes] for row in rows]
    except KeyError as error:
        raise ExecutionError(f"a row of output '{name}' has no value for class {error}") from error
    return np.array(table, dtype=np.float32).reshape(len(table), len(classes))


def _zeros(spec: TensorSpec) -> Array:
    shape = [max(length, 1) for length in spec.shape or ()]
    fill: object = "" if spec.datatype is Datatype.BYTES else 0
    return np.full(shape, fill, dtype=NUMPY_TYPES[spec.datatype])
