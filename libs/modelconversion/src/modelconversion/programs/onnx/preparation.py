"""Prepares an ONNX model for quantisation: all weights become initializers.

Exporters such as Paddle's and spox store weights in Constant nodes, others put Identity, Cast or Transpose between a
weight and its operator. ONNX Runtime's basic optimisations, which use only ONNX's own operators, fold both.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
import onnxruntime
from onnx import version_converter
from onnxruntime.capi import onnxruntime_pybind11_state as refusals

from ..program import INVALID_MODEL, ProblemError
from .files import FILE
from .graphs import float_bytes, graphs_of, make_names_unique, separate_outputs

_OLDEST_OPSET, _TO_OPSET = 11, 13
"""Quantisation writes operators of opset 11; older models are raised to one that every exporter supports."""
_OLDEST_IR = 4
"""From this version on, initializers need not be inputs."""
_ONNX = frozenset({"", "ai.onnx"})
_FOLDING = "ConstantFolding"
_REFUSALS = (
    refusals.Fail,
    refusals.InvalidArgument,
    refusals.InvalidGraph,
    refusals.InvalidProtobuf,
    refusals.NotImplemented,
    refusals.RuntimeException,
)


def prepared(source: Path) -> onnx.ModelProto:
    """Return the model of a file, with its weights. Raises ProblemError if ONNX Runtime cannot load it."""
    model = _smallest(source)
    model.ir_version = max(model.ir_version, _OLDEST_IR)
    make_names_unique(model)
    separate_outputs(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    for value in [value for value in model.graph.input if value.name in weights]:
        model.graph.input.remove(value)
    used = {node.domain for graph in graphs_of(model.graph) for node in graph.node} | _ONNX
    for entry in [entry for entry in model.opset_import if entry.domain not in used]:
        model.opset_import.remove(entry)
    if _opset(model) < _OLDEST_OPSET:
        return version_converter.convert_version(model, _TO_OPSET)
    return model


def _smallest(source: Path) -> onnx.ModelProto:
    """Return the model with constants folded, unless that takes more space than computing them each time."""
    lifted, folded = _optimised(source, [_FOLDING]), _optimised(source)
    return folded if float_bytes(folded) <= float_bytes(lifted) else lifted


def _optimised(source: Path, without: Sequence[str] = ()) -> onnx.ModelProto:
    with TemporaryDirectory(prefix="klever-optimised-") as scratch:
        path = Path(scratch, FILE)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.add_session_config_entry("session.load_model_format", "ONNX")  # regardless of the name of the file
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights")
        try:
            onnxruntime.InferenceSession(
                source, options, providers=["CPUExecutionProvider"], disabled_optimizers=list(without)
            )
        except _REFUSALS as error:
            reason = str(error).splitlines()[0]
            raise ProblemError(INVALID_MODEL, f"ONNX Runtime cannot load {source.name}: {reason}") from error
        return onnx.load(path)


def _opset(model: onnx.ModelProto) -> int:
    return min((int(entry.version) for entry in model.opset_import if entry.domain in _ONNX), default=_OLDEST_OPSET)
