"""Which file or folder of a model MLServer is to load, and by which of our runtimes."""

from pathlib import Path

from kleverserve.errors import ModelLoadError
from modelfiles.recognition import RULES
from modelfiles.runtimes import RUNTIMES
from modelfiles.selection import FileSelectionError

IMPLEMENTATIONS = {name: f"kleverserve.mlserver.{name.lower()}.{name}" for name in RUNTIMES["mlserver"].served_here}
"""Format to our runtime, as MLServer's settings name it."""


def find_artifact(directory: Path, model_format: str) -> Path:
    """What MLServer's runtime for the format loads in `directory`/model: a file, or for MLflow a folder.

    Raises:
        ModelLoadError: the format is not served by MLServer, or there is not exactly one such file.
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
