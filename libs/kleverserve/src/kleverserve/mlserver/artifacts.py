"""Selects the file or directory of a model for MLServer, and the runtime."""

from pathlib import Path

from kleverserve.errors import ModelLoadError
from modelfiles.recognition import RULES
from modelfiles.runtimes import RUNTIMES
from modelfiles.selection import FileSelectionError

IMPLEMENTATIONS = {name: f"kleverserve.mlserver.{name.lower()}.{name}" for name in RUNTIMES["mlserver"].served_here}
"""Runtimes by format, as named in MLServer's settings."""


def find_artifact(directory: Path, model_format: str) -> Path:
    """Return the path in `directory`/model that MLServer's runtime loads: a file, or for MLflow a directory.

    Raises:
        ModelLoadError: MLServer does not serve the format, or there is not exactly one such file.
    """
    if model_format not in IMPLEMENTATIONS:
        raise ModelLoadError(
            f"MLServer does not serve {model_format}; the formats are: {', '.join(sorted(IMPLEMENTATIONS))}"
        )
    try:
        file = RULES[model_format].file(directory.resolve() / "model")
    except FileSelectionError as error:
        raise ModelLoadError(str(error)) from error
    return file.parent if model_format == "MLflow" else file
