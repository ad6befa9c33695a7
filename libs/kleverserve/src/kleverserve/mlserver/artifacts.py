"""Which file or folder of a model MLServer is to load, and by which of our runtimes."""

from dataclasses import dataclass
from pathlib import Path

from kleverserve.errors import ModelLoadError


@dataclass(frozen=True)
class Kind:
    """How models of a format are found and run."""

    implementation: str
    """The runtime, as MLServer's settings name it."""
    patterns: tuple[str, ...]
    """Names of what is loaded, the format's usual one first."""


KINDS = {
    "MLflow": Kind("kleverserve.mlserver.mlflow.MLflow", ("MLmodel",)),
    "SKLearn": Kind("kleverserve.mlserver.sklearn.SKLearn", ("*.joblib", "*.pkl", "*.pickle")),
    "XGBoost": Kind("kleverserve.mlserver.xgboost.XGBoost", ("*.json", "*.ubj", "*.bst", "*.xgb", "*.model")),
}
"""By the names of formats."""


def find_artifact(directory: Path, model_format: str) -> Path:
    """What MLServer's runtime for the format loads below `directory`/model: a file, or for MLflow a folder.

    Raises:
        ModelLoadError: the format is not served by MLServer, or there is not exactly one such file.
    """
    if model_format not in KINDS:
        raise ModelLoadError(f"MLServer does not serve {model_format}; the formats are: {', '.join(sorted(KINDS))}")
    files = directory.resolve() / "model"
    patterns = KINDS[model_format].patterns
    found = sorted(path for pattern in patterns for path in files.rglob(pattern) if path.is_file())
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(files)) for path in found) or "none"
        raise ModelLoadError(f"{files} must hold exactly one file {' or '.join(patterns)}, found: {names}")
    return found[0].parent if model_format == "MLflow" else found[0]
