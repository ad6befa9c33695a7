"""Names of model formats, as people write them in any case and the platform spells them."""

import difflib

FORMATS = (
    *("CaffeModel", "CatBoost", "CoreML", "ExportedProgram", "GGUF", "GraphDef", "H5", "Keras", "LightGBM"),
    *("MLflow", "MLlib", "MXNetParams", "NetDef", "ONNX", "OpenVINO", "Others", "PMML", "PaddlePaddle", "Pickle"),
    *("SKLearn", "SafeTensors", "SavedModel", "Skops", "TFLite", "TensorRT", "TorchScript", "XGBoost"),
)
"""Every format that `modelformats` knows."""
TARGETS = ("NetDef", "ONNX", "OpenVINO", "PMML", "SavedModel")
"""Those that a conversion can make."""

_BY_FOLDED = {name.lower(): name for name in FORMATS}


class UnknownFormatError(ValueError):
    """The text names no format, or none that can be what is asked for."""


def known_format(text: str) -> str:
    """The format as the platform spells it. Raises UnknownFormatError, with the likely one or all that there are."""
    name = _BY_FOLDED.get(text.lower())
    if name is not None:
        return name
    near = difflib.get_close_matches(text.lower(), _BY_FOLDED, n=1)
    hint = f", did you mean {_BY_FOLDED[near[0]]}?" if near else f": there are {', '.join(FORMATS)}"
    raise UnknownFormatError(f"unknown format {text}{hint}")


def conversion_target(text: str) -> str:
    """The same for what a model is to be converted to. Raises UnknownFormatError."""
    name = known_format(text)
    if name not in TARGETS:
        raise UnknownFormatError(f"nothing can be converted to {name}: the possible targets are {', '.join(TARGETS)}")
    return name
