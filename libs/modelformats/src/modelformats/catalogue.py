"""The supported formats, and the operations on a model directory."""

from pathlib import Path

from kleverproto.formats import UnknownFormatError, known_format
from kleverproto.signatures import Signature

from .carrying import unsupported_tensors
from .errors import InvalidModelError, UnsupportedFormatError
from .format import Format
from .formats.caffe import CAFFE_MODEL
from .formats.catboost import CATBOOST
from .formats.coreml import CORE_ML
from .formats.exported_program import EXPORTED_PROGRAM
from .formats.gguf import GGUF
from .formats.graphdef import GRAPH_DEF
from .formats.h5 import H5_FORMAT
from .formats.keras import KERAS
from .formats.lightgbm import LIGHTGBM
from .formats.mlflow import MLFLOW
from .formats.mllib import MLLIB
from .formats.mxnet import MXNET_PARAMS
from .formats.netdef import NET_DEF
from .formats.onnx import ONNX
from .formats.openvino import OPENVINO
from .formats.others import OTHERS
from .formats.paddlepaddle import PADDLE_PADDLE
from .formats.pickle import PICKLE
from .formats.pmml import PMML
from .formats.safetensors import SAFE_TENSORS
from .formats.savedmodel import SAVED_MODEL
from .formats.sklearn import SKLEARN
from .formats.skops import SKOPS
from .formats.tensorrt import TENSORRT
from .formats.tflite import TFLITE
from .formats.torchscript import TORCH_SCRIPT
from .formats.xgboost import XGBOOST
from .pointers import pointers_in, refuse_pointers

FORMATS: tuple[Format, ...] = (
    MLFLOW,
    MLLIB,
    SAVED_MODEL,
    ONNX,
    CORE_ML,
    PADDLE_PADDLE,
    PMML,
    OPENVINO,
    SKLEARN,
    SAFE_TENSORS,
    XGBOOST,
    LIGHTGBM,
    CATBOOST,
    GGUF,
    GRAPH_DEF,
    H5_FORMAT,
    KERAS,
    TFLITE,
    CAFFE_MODEL,
    NET_DEF,
    MXNET_PARAMS,
    TENSORRT,
    SKOPS,
    TORCH_SCRIPT,
    EXPORTED_PROGRAM,
    PICKLE,
    OTHERS,
)
"""In the order of detection.

MLflow is first, because it contains files of other formats; Pickle comes after formats that know more about the same
files.
"""

KNOWN_FORMATS: tuple[str, ...] = tuple(sorted(known.name for known in FORMATS))


def detect_format(directory: Path) -> str | None:
    """Return the format of the files in a model's directory, or None if it is unknown."""
    return next((known.name for known in FORMATS if known.detect(directory)), None)


def validate_layout(format_name: str, directory: Path) -> None:
    """Check that the files of a format exist.

    Raises:
        InvalidModelError: a file is missing, there are too many, or the format is unknown.
    """
    try:
        known = _find(known_format(format_name))
    except UnknownFormatError as error:
        raise InvalidModelError(str(error)) from error
    if known is None:
        return
    try:
        known.validate(directory)
    except InvalidModelError as error:
        raise _with_detected_format(error, known.name, directory) from error


def extract_signature(format_name: str, directory: Path) -> Signature:
    """Parse a model, without a framework and without running any part of it.

    Raises:
        InvalidModelError: the files do not follow the format.
        UnsupportedFormatError: Klever cannot parse the format.
        MemoryError: the model needs more memory than the limit of this process.
    """
    known = _find(format_name)
    if known is None:
        supported = ", ".join(KNOWN_FORMATS)
        raise UnsupportedFormatError(f"models of format {format_name!r} cannot be parsed; these can: {supported}")
    try:
        signature = known.extract(directory)
    except InvalidModelError as error:
        refuse_pointers(directory)  # a better reason, if there is one
        raise _with_detected_format(error, known.name, directory) from error
    pointers = pointers_in(directory)
    warnings = (*signature.warnings, *unsupported_tensors(signature), *([pointers] if pointers else []))
    return signature.model_copy(update={"format": known.name, "warnings": warnings})


def _with_detected_format(error: InvalidModelError, declared: str, directory: Path) -> InvalidModelError:
    """Return the error, or a better one if the files are clearly of another format than ormbfile.yaml declares."""
    detected = detect_format(directory)
    if detected in {None, declared}:
        return error
    return InvalidModelError(f"ormbfile.yaml declares {declared}, but {error}; the files look like {detected}")


def _find(name: str) -> Format | None:
    return next((known for known in FORMATS if known.name == name), None)
