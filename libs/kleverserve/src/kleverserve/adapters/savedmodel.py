"""TensorFlow SavedModels, run by OpenVINO without TensorFlow.

Inputs and outputs are called as in the signature that TensorFlow's own servers use, `serving_default`.
"""

from pathlib import Path

from .files import single_file
from .openvino_model import OpenVinoModel, compiled


def load(directory: Path, *, threads: int) -> OpenVinoModel:
    """Load the only SavedModel below `directory`; one run may use `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one `saved_model.pb`, or OpenVINO cannot run the model.
    """
    folder = single_file(directory, "saved_model.pb").parent
    return OpenVinoModel(*compiled(folder, directory, threads=threads), platform="openvino_savedmodel")
