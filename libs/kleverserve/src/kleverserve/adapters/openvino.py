"""Models in OpenVINO's own format: an `.xml` file, and a `.bin` file with the weights."""

from pathlib import Path

from modelfiles.recognition import OPENVINO

from .openvino_model import OpenVinoModel, compiled


def load(directory: Path, *, threads: int) -> OpenVinoModel:
    """Load the model in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, or OpenVINO cannot run it.
    """
    file = OPENVINO.file(directory)
    return OpenVinoModel(*compiled(file, directory, threads=threads), platform="openvino_ir")
