"""The table of conversions: which program, in which toolchain, turns a format into another; and which one runs it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tolerance:
    """How far a converted model's outputs may be from the source's.

    A difference counts in parts of the output's range, from its smallest to its largest value over the samples: what is
    small beside a large offset may still be all that the output says. To that comes what float32 itself rounds, which
    grows with the values.
    """

    relative: float = 1e-4
    """In parts of the range."""
    absolute: float = 1e-6
    """For outputs whose range is almost nothing."""

    def allowed(self, spread: float, largest: float) -> float:
        """The largest difference of an output with this range and this largest absolute value."""
        return self.absolute + self.relative * spread + FLOAT32 * largest


FLOAT32 = 1e-6
"""Some units in the last place of a float32, in parts of the value: what every conversion may differ by."""
EXACT = Tolerance(1e-5)
"""The same arithmetic in another container."""
TREES = Tolerance(1e-4, absolute=1e-5)
"""Sums of many float32 leaves, which the source adds up in float64."""
HALF = Tolerance(1e-2)
"""float16 has 11 bits of mantissa."""
INT8 = Tolerance(1.5e-1)
"""Weights and activations of 8 bits; published losses of accuracy come with differences of this size."""


@dataclass(frozen=True)
class Pair:
    """One conversion that a program does in one step."""

    source: str
    target: str
    program: str
    """Module under `programs`."""
    toolchain: str
    cost: int = 1
    """What a planner adds up: 1 for a step that keeps everything, more where it is slow or may lose something."""
    options: frozenset[str] = frozenset()
    """Names of the options that the program understands."""
    tolerance: Tolerance = Tolerance()
    writes_tables: bool = False
    """Whether the result has ONNX's operators for tables (the domain ai.onnx.ml: trees, encoders, scalers)."""
    takes_tables: bool = True
    """Whether it can convert those."""


@dataclass(frozen=True)
class Runner:
    """The program that runs a model of a format once, to check a conversion."""

    program: str
    toolchain: str


_OPSET = frozenset({"opset"})

PAIRS: tuple[Pair, ...] = (
    Pair("H5", "SavedModel", "keras_to_savedmodel", "tf", cost=2, tolerance=EXACT),
    Pair("Keras", "SavedModel", "keras_to_savedmodel", "tf", cost=2, tolerance=EXACT),
    Pair("SavedModel", "ONNX", "savedmodel_to_onnx", "tf", cost=2, options=_OPSET | {"signature", "tag"}),
    Pair("GraphDef", "ONNX", "graphdef_to_onnx", "tf", cost=2, options=_OPSET),
    Pair("TFLite", "ONNX", "tflite_to_onnx", "tf", cost=2, options=_OPSET),
    Pair("TorchScript", "ONNX", "torchscript_to_onnx", "torch", cost=2, options=_OPSET),
    Pair("ExportedProgram", "ONNX", "exportedprogram_to_onnx", "torch", cost=2, options=_OPSET),
    Pair("CaffeModel", "NetDef", "caffe_to_netdef", "onnx"),
    Pair("NetDef", "ONNX", "netdef_to_onnx", "onnx"),
    Pair("MXNetParams", "ONNX", "mxnet_to_onnx", "mxnet", cost=2),
    Pair("SKLearn", "ONNX", "sklearn_to_onnx", "sklearn", options=_OPSET, tolerance=TREES, writes_tables=True),
    Pair("SKLearn", "PMML", "sklearn_to_pmml", "pmml", cost=2, tolerance=EXACT),
    Pair("XGBoost", "ONNX", "xgboost_to_onnx", "sklearn", options=_OPSET, tolerance=TREES, writes_tables=True),
    Pair("LightGBM", "ONNX", "lightgbm_to_onnx", "sklearn", options=_OPSET, tolerance=TREES, writes_tables=True),
    Pair("CatBoost", "ONNX", "catboost_to_onnx", "sklearn", tolerance=TREES, writes_tables=True),
    Pair(
        "ONNX",
        "OpenVINO",
        "onnx_to_openvino",
        "openvino",
        options=frozenset({"compress_to_fp16"}),
        takes_tables=False,
    ),
    Pair("ONNX", "ONNX", "onnx_quantize", "onnx", options=frozenset({"quantize"}), tolerance=INT8),
)

RUNNERS: dict[str, Runner] = {
    "SavedModel": Runner("run_tf", "tf"),
    "GraphDef": Runner("run_tf", "tf"),
    "H5": Runner("run_tf", "tf"),
    "Keras": Runner("run_tf", "tf"),
    "TFLite": Runner("run_litert", "openvino"),
    "TorchScript": Runner("run_torch", "torch"),
    "ExportedProgram": Runner("run_torch", "torch"),
    "CaffeModel": Runner("run_caffe", "caffe"),
    "NetDef": Runner("run_netdef", "onnx"),
    "MXNetParams": Runner("run_mxnet", "mxnet"),
    "SKLearn": Runner("run_sklearn", "sklearn"),
    "XGBoost": Runner("run_xgboost", "sklearn"),
    "LightGBM": Runner("run_lightgbm", "sklearn"),
    "CatBoost": Runner("run_catboost", "sklearn"),
    "PMML": Runner("run_pmml", "pmml"),
    "ONNX": Runner("run_onnx", "onnx"),
    "OpenVINO": Runner("run_openvino", "openvino"),
}


HINTS: dict[str, Runner] = {
    "ONNX": Runner("hints_onnx", "onnx"),
    "SKLearn": Runner("hints_sklearn", "sklearn"),
    "XGBoost": Runner("hints_xgboost", "sklearn"),
    "LightGBM": Runner("hints_lightgbm", "sklearn"),
    "CatBoost": Runner("hints_catboost", "sklearn"),
}
"""The programs that read what samples are drawn from."""


def tolerance_of(pair: Pair, options: dict[str, str]) -> Tolerance:
    """What the result of a step may differ by, with the options it was run with."""
    halved = options.get("quantize") == "fp16" or options.get("compress_to_fp16") == "true"
    return HALF if halved else pair.tolerance
