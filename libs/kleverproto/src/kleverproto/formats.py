"""Names of model formats. They are case-insensitive in input."""

import difflib

FORMATS = (
    *("CaffeModel", "CatBoost", "CoreML", "ExportedProgram", "GGUF", "GraphDef", "H5", "Keras", "LightGBM"),
    *("MLflow", "MLlib", "MXNetParams", "NetDef", "ONNX", "OpenVINO", "Others", "PMML", "PaddlePaddle", "Pickle"),
    *("SKLearn", "SafeTensors", "SavedModel", "Skops", "TFLite", "TensorRT", "TorchScript", "XGBoost"),
)
"""All formats that `modelformats` supports."""
TARGETS = ("NetDef", "ONNX", "OpenVINO", "PMML", "SavedModel")
"""Formats that models can be converted to."""

_BY_FOLDED = {name.lower(): name for name in FORMATS}


class UnknownFormatError(ValueError):
    """The text does not name a format, or not one that can be a target."""


def known_format(text: str) -> str:
    """Return the format in its canonical spelling. Raises UnknownFormatError, with the closest or all formats."""
    name = _BY_FOLDED.get(text.lower())
    if name is not None:
        return name
    near = difflib.get_close_matches(text.lower(), _BY_FOLDED, n=1)
    hint = f", did you mean {_BY_FOLDED[near[0]]}?" if near else f": there are {', '.join(FORMATS)}"
    raise UnknownFormatError(f"unknown format {text}{hint}")


def conversion_target(text: str) -> str:
    """Return the target of a conversion in its canonical spelling. Raises UnknownFormatError."""
    name = known_format(text)
    if name not in TARGETS:
        raise UnknownFormatError(f"nothing can be converted to {name}: the possible targets are {', '.join(TARGETS)}")
    return name
