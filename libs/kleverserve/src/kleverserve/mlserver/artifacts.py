"""Which file or folder of a model MLServer is to load, and by which of our runtimes."""

from pathlib import Path

from kleverserve.errors import ModelLoadError
from modelfiles.recognition import RULES
from modelfiles.selection import FileSelectionError

KINDS = {
    "MLflow": "kleverserve.mlserver.mlflow.MLflow",
    "SKLearn": "kleverserve.mlserver.sklearn.SKLearn",
    "XGBoost": "kleverserve.mlserver.xgboost.XGBoost",
}
"""Format to the runtime, as MLServer's settings name it."""


def find_artifact(directory: Path, model_format: str) -> Path:
    """What MLServer's runtime for the format loads in `directory`/model: a file, or for MLflow a folder.

    Raises:
        ModelLoadError: the format is not served by MLServer, or there is not exactly one such file.
    """
    if model_format not in KINDS:
        raise ModelLoadError(f"MLServer does not serve {model_format}; the formats are: {', '.join(sorted(KINDS))}")
    try:
        file = RULES[model_format].file(directory.resolve() / "model")
    except FileSelectionError as error:
        raise ModelLoadError(str(error)) from error
    return file.parent if model_format == "MLflow" else file
