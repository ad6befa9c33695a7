"""The table of conversions with their programs and toolchains, and of the programs that run a model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """The maximum difference between the outputs of a converted model and of its source.

    Differences are relative to the range of the output, from its smallest to its largest value over the samples: a
    small difference beside a large offset may still be all the information of the output. The rounding of float32 is
    added, which grows with the values.
    """

    relative: float = 1e-4
    """Relative to the range."""
    absolute: float = 1e-6
    """For outputs with a range near zero."""

    def allowed(self, spread: float, largest: float) -> float:
        """Return the maximum difference of an output with this range and this largest absolute value."""
        return self.absolute + self.relative * spread + FLOAT32 * largest


FLOAT32 = 1e-6
"""Some units in the last place of a float32, relative to the value: the tolerance of every conversion."""
EXACT = Tolerance(1e-5)
"""The same arithmetic in another container."""
TREES = Tolerance(1e-4, absolute=1e-5)
"""Sums of many float32 leaves, which the source adds up in float64."""
HALF = Tolerance(1e-2)
"""float16 has 11 bits of mantissa."""
INT8 = Tolerance(1.5e-1)
"""8-bit weights and activations; published losses of accuracy correspond to differences of this size."""


@dataclass(frozen=True)
class Pair:
    """A conversion in one step of a program."""

    source: str
    target: str
    program: str
    """Module in `programs`, such as sklearn.to_onnx."""
    toolchain: str
    cost: int = 1
    """Cost for the planner: 1 for a lossless step, more for slow steps and for steps that may lose something."""
    options: frozenset[str] = frozenset()
    """Names of the options that the program supports."""
    tolerance: Tolerance = Tolerance()
    writes_tables: bool = False
    """True if the result has ONNX's operators for tables (the domain ai.onnx.ml: trees, encoders, scalers)."""
    takes_tables: bool = True
    """True if it can convert such operators."""


@dataclass(frozen=True)
class Runner:
    """The program that runs a model of a format once, for verification."""

    program: str
    toolchain: str


_OPSET = frozenset({"opset"})

PAIRS: tuple[Pair, ...] = (
    Pair("H5", "SavedModel", "keras.to_savedmodel", "tf", cost=2, tolerance=EXACT),
    Pair("Keras", "SavedModel", "keras.to_savedmodel", "tf", cost=2, tolerance=EXACT),
    Pair("SavedModel", "ONNX", "tensorflow.savedmodel_to_onnx", "tf", cost=2, options=_OPSET | {"signature", "tag"}),
    Pair("GraphDef", "ONNX", "tensorflow.graphdef_to_onnx", "tf", cost=2, options=_OPSET),
    Pair("TFLite", "ONNX", "tflite.to_onnx", "tf", cost=2, options=_OPSET),
    Pair("TorchScript", "ONNX", "torch.torchscript_to_onnx", "torch", cost=2, options=_OPSET),
    Pair("ExportedProgram", "ONNX", "torch.exportedprogram_to_onnx", "torch", cost=2, options=_OPSET),
    Pair("CaffeModel", "NetDef", "caffe.to_netdef", "onnx"),
    Pair("NetDef", "ONNX", "netdef.to_onnx", "onnx"),
    Pair("MXNetParams", "ONNX", "mxnet.to_onnx", "mxnet", cost=2),
    Pair("SKLearn", "ONNX", "sklearn.to_onnx", "sklearn", options=_OPSET, tolerance=TREES, writes_tables=True),
    Pair("SKLearn", "PMML", "sklearn.to_pmml", "pmml", cost=2, tolerance=EXACT),
    Pair("XGBoost", "ONNX", "xgboost.to_onnx", "sklearn", options=_OPSET, tolerance=TREES, writes_tables=True),
    Pair("LightGBM", "ONNX", "lightgbm.to_onnx", "sklearn", options=_OPSET, tolerance=TREES, writes_tables=True),
    Pair("CatBoost", "ONNX", "catboost.to_onnx", "sklearn", tolerance=TREES, writes_tables=True),
    Pair(
        "ONNX",
        "OpenVINO",
        "onnx.to_openvino",
        "openvino",
        options=frozenset({"compress_to_fp16"}),
        takes_tables=False,
    ),
    Pair("ONNX", "ONNX", "onnx.quantize", "onnx", options=frozenset({"quantize"}), tolerance=INT8),
)

RUNNERS: dict[str, Runner] = {
    "SavedModel": Runner("tensorflow.run", "tf"),
    "GraphDef": Runner("tensorflow.run", "tf"),
    "H5": Runner("tensorflow.run", "tf"),
    "Keras": Runner("tensorflow.run", "tf"),
    "TFLite": Runner("tflite.run", "openvino"),
    "TorchScript": Runner("torch.run", "torch"),
    "ExportedProgram": Runner("torch.run", "torch"),
    "CaffeModel": Runner("caffe.run", "caffe"),
    "NetDef": Runner("netdef.run", "onnx"),
    "MXNetParams": Runner("mxnet.run", "mxnet"),
    "SKLearn": Runner("sklearn.run", "sklearn"),
    "XGBoost": Runner("xgboost.run", "sklearn"),
    "LightGBM": Runner("lightgbm.run", "sklearn"),
    "CatBoost": Runner("catboost.run", "sklearn"),
    "PMML": Runner("pmml.run", "pmml"),
    "ONNX": Runner("onnx.run", "onnx"),
    "OpenVINO": Runner("openvino.run", "openvino"),
}


HINTS: dict[str, Runner] = {
    "ONNX": Runner("onnx.hints", "onnx"),
    "SKLearn": Runner("sklearn.hints", "sklearn"),
    "XGBoost": Runner("xgboost.hints", "sklearn"),
    "LightGBM": Runner("lightgbm.hints", "sklearn"),
    "CatBoost": Runner("catboost.hints", "sklearn"),
}
"""The programs that read hints for samples."""


def tolerance_of(pair: Pair, options: dict[str, str]) -> Tolerance:
    """Return the tolerance of a step with its options."""
    halved = options.get("quantize") == "fp16" or options.get("compress_to_fp16") == "true"
    return HALF if halved else pair.tolerance
