"""TensorFlow SavedModels, run by OpenVINO without TensorFlow.

Inputs and outputs are called as in the signature that TensorFlow's own servers use, `serving_default`.
"""

from pathlib import Path

from modelfiles.recognition import SAVED_MODEL

from .openvino_model import OpenVinoModel, compiled


def load(directory: Path, *, threads: int) -> OpenVinoModel:
    """Load the SavedModel in `directory`; one run may use `threads` threads.

    Raises:
        ModelLoadError: there is no `saved_model.pb`, or OpenVINO cannot run the model.
    """
    folder = SAVED_MODEL.file(directory).parent
    return OpenVinoModel(*compiled(folder, directory, threads=threads), platform="openvino_savedmodel")
