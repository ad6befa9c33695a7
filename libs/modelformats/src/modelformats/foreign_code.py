"""Formats whose files are data: their loaders run no code from the file."""

DATA_ONLY = frozenset(
    {
        "CaffeModel",
        "CatBoost",
        "GGUF",
        "LightGBM",
        "MXNetParams",
        "NetDef",
        "ONNX",
        "OpenVINO",
        "PMML",
        "SafeTensors",
        "TFLite",
        "XGBoost",
    }
)
"""All other formats may run code: pickles and formats based on them, Keras with its lambdas, TensorFlow's graphs, whose
operators read and write files, MLflow, and new formats.
"""


def may_run_code(format_name: str) -> bool:
    """Return whether loading or running a model of this format may run code of the model."""
    return format_name not in DATA_ONLY
