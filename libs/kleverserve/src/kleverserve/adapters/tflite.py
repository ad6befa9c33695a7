"""TensorFlow Lite models, run by OpenVINO; tensors are called as in the file."""

from pathlib import Path

from .files import single_file
from .openvino_model import OpenVinoModel, compiled


def load(directory: Path, *, threads: int) -> OpenVinoModel:
    """Load the only `.tflite` file below `directory`; one run may use `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, or OpenVINO cannot run it.
    """
    file = single_file(directory, "*.tflite")
    return OpenVinoModel(*compiled(file, directory, threads=threads), platform="openvino_tflite")
