"""TensorFlow SavedModels, run by OpenVINO without TensorFlow.

Inputs and outputs have the names of the signature `serving_default`, like in TensorFlow Serving.
"""

from pathlib import Path

from modelfiles.recognition import SAVED_MODEL

from .openvino_model import OpenVinoModel, compiled


def load(directory: Path, *, threads: int) -> OpenVinoModel:
    """Load the SavedModel in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: `saved_model.pb` is missing, or OpenVINO cannot run the model.
    """
    folder = SAVED_MODEL.file(directory).parent
    return OpenVinoModel(*compiled(folder, directory, threads=threads), platform="openvino_savedmodel")
