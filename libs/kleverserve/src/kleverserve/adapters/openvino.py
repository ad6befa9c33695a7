"""Models in OpenVINO's own format: an `.xml` with the weights in a `.bin` beside it."""

from pathlib import Path

from modelfiles.recognition import OPENVINO

from .openvino_model import OpenVinoModel, compiled


def load(directory: Path, *, threads: int) -> OpenVinoModel:
    """Load the model in `directory`; one run may use `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, or OpenVINO cannot run it.
    """
    file = OPENVINO.file(directory)
    return OpenVinoModel(*compiled(file, directory, threads=threads), platform="openvino_ir")
