"""Formats whose files are data: what loads them here runs nothing that the file brings."""

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
"""What is not here may run code: pickles and what is made of them, Keras with its lambdas, TensorFlow's graphs, whose
operators read and write files, MLflow, and every format that is new.
"""


def may_run_code(format_name: str) -> bool:
    """Whether loading or running a model of this format may run code that the model brings."""
    return format_name not in DATA_ONLY
