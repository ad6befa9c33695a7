"""Quantises an ONNX model: weights of 8 bits (`quantize=int8`), or 16-bit floats (`quantize=fp16`)."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from google.protobuf.message import DecodeError
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from ..program import INVALID_MODEL, UNSUPPORTED_OPERATOR, ProblemError, Request, main, print_progress, versions
from .files import FILE
from .graphs import float_bytes, graphs_of, operators_of
from .preparation import prepared

_LARGEST_MESSAGE = 2**31 - 2**20
"""A protobuf message has at most 2 GiB; larger weights are stored in a file beside it."""
_WEIGHTS = f"{FILE}.data"
_QUANTISED = {
    "int8": "float32 weights of MatMul, Gemm, Conv, LSTM and Gather can be",
    "fp16": "float32 weights of ONNX's neural operators can be",
}
"""The weights that each kind supports."""
_SHOWN = 8
"""Maximum number of operators that an error names."""


def convert(request: Request) -> dict[str, str]:
    """Convert the model by the option `quantize`. Raises ProblemError if the result would not be smaller."""
    source = request.file
    _check(source)
    kind = request.options.get("quantize")
    if kind not in _QUANTISED:
        raise ProblemError(INVALID_MODEL, f"the option quantize is int8 or fp16, not {kind!r}")
    model = prepared(source)
    write = _to_int8 if kind == "int8" else _to_fp16
    write(model, request.destination / FILE)
    _check_gain(kind, request, model)
    return versions("onnxruntime", "onnx")


def _check(source: Path) -> None:
    try:
        model = onnx.load(source, format="protobuf", load_external_data=False)
    except (DecodeError, OSError) as error:
        raise ProblemError(INVALID_MODEL, f"{source.name} cannot be read as ONNX: {error}") from error
    if not model.graph.node:
        raise ProblemError(INVALID_MODEL, f"{source.name} has no graph: it is not an ONNX model")


def _to_int8(model: onnx.ModelProto, result: Path) -> None:
    """Convert weights to 8-bit integers; activations are quantised at run time, without calibration data."""
    with TemporaryDirectory(prefix="klever-prepared-") as scratch:
        path = Path(scratch, FILE)
        onnx.save_model(model, path, save_as_external_data=True, location=_WEIGHTS)
        quantize_dynamic(
            path,
            result,
            per_channel=True,
            # ONNX Runtime's integer convolution supports only unsigned weights.
            weight_type=QuantType.QUInt8,
            nodes_to_exclude=list(_without_weights(model)),
            use_external_data_format=float_bytes(model) > _LARGEST_MESSAGE,
            extra_options={"EnableSubgraph": True},
        )


def _without_weights(model: onnx.ModelProto) -> Iterator[str]:
    """Yield convolutions whose kernel is computed or in an outer graph: the quantiser fails on them."""
    for graph in graphs_of(model.graph):
        weights = {tensor.name for tensor in graph.initializer}
        yield from (node.name for node in graph.node if node.op_type == "Conv" and node.input[1] not in weights)


def _to_fp16(model: onnx.ModelProto, result: Path) -> None:
    """Convert weights and arithmetic to float16; inputs and outputs do not change, so that callers need not change."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    halved = convert_float_to_float16(copy, keep_io_types=True)
    onnx.save_model(halved, result, save_as_external_data=float_bytes(halved) > _LARGEST_MESSAGE, location=_WEIGHTS)


def _check_gain(kind: str, request: Request, prepared_model: onnx.ModelProto) -> None:
    """Raise ProblemError if nothing was quantised, or too little to make the model smaller."""
    floats, left = float_bytes(prepared_model), float_bytes(onnx.load(request.destination / FILE))
    if left >= floats:
        operators = ", ".join(sorted(operators_of(prepared_model))[:_SHOWN])
        raise ProblemError(
            UNSUPPORTED_OPERATOR,
            f"the model has no weights that can be quantised to {kind}: {_QUANTISED[kind]}; it has {operators}",
        )
    before, after = (_size(directory) for directory in (request.source, request.destination))
    if after >= before:
        raise ProblemError(
            UNSUPPORTED_OPERATOR,
            f"the {kind} model would have {after} bytes, the model itself has {before}: only {floats - left} bytes of "
            "weights can be saved, less than quantising adds, so serve the model as it is",
        )
    print_progress(f"quantised to {kind}: {left} of {floats} bytes of float weights are left")


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


if __name__ == "__main__":
    main(convert)
