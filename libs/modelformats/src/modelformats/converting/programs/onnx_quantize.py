"""A smaller ONNX model of an ONNX model: weights of 8 bits (`quantize=int8`), or of 16-bit floats (`quantize=fp16`)."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from .program import INVALID_MODEL, UNSUPPORTED_OPERATOR, ProblemError, Request, main, say, versions

_QUANTIZED = frozenset({"MatMulInteger", "ConvInteger", "DynamicQuantizeLSTM", "QLinearMatMul", "DequantizeLinear"})
_LARGEST_MESSAGE = 2**31 - 2**20
"""A protobuf message ends at 2 GiB; more weights than that go to a file beside it."""


def convert(request: Request) -> dict[str, str]:
    """Convert the model as the option `quantize` says."""
    source = request.single_file("*.onnx")
    _check(source)
    kind = request.options.get("quantize")
    if kind == "int8":
        _to_int8(source, request)
    elif kind == "fp16":
        _to_fp16(source, request)
    else:
        raise ProblemError(INVALID_MODEL, f"the option quantize is int8 or fp16, not {kind!r}")
    return versions("onnxruntime", "onnx")


def _check(source: Path) -> None:
    try:
        model = onnx.load(source, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise ProblemError(INVALID_MODEL, f"{source.name} cannot be read as ONNX: {error}") from error
    if not model.graph.node:
        raise ProblemError(INVALID_MODEL, f"{source.name} has no graph: it is not an ONNX model")


def _to_int8(source: Path, request: Request) -> None:
    """Weights become 8-bit integers, activations are quantised as the model runs: no calibration data is needed."""
    result = request.destination / "model.onnx"
    quantize_dynamic(
        source,
        result,
        per_channel=True,
        # ONNX Runtime's convolution of integers takes unsigned weights only.
        weight_type=QuantType.QUInt8,
        use_external_data_format=_is_large(request),
    )
    found = {node.op_type for node in onnx.load(result, load_external_data=False).graph.node} & _QUANTIZED
    if not found:
        raise ProblemError(
            UNSUPPORTED_OPERATOR, "the model has no operator that can be quantised (MatMul, Gemm, Conv, LSTM, …)"
        )
    say(f"quantised: {', '.join(sorted(found))}")


def _to_fp16(source: Path, request: Request) -> None:
    """Weights and arithmetic become float16; inputs and outputs stay as they are, so callers need not change."""
    model = convert_float_to_float16(onnx.load(source), keep_io_types=True)
    onnx.save_model(
        model, request.destination / "model.onnx", save_as_external_data=_is_large(request), location="model.onnx.data"
    )


def _is_large(request: Request) -> bool:
    return sum(path.stat().st_size for path in request.source.rglob("*") if path.is_file()) > _LARGEST_MESSAGE


if __name__ == "__main__":
    main(convert)
