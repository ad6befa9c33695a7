"""TensorFlow Lite models, run by OpenVINO, or by LiteRT where OpenVINO lacks an operator; tensors as in the file."""

import logging
from importlib import import_module
from pathlib import Path

from kleverserve.errors import ModelLoadError
from kleverserve.model import Model
from kleverserve.recognition import TFLITE

from .files import called
from .openvino_model import OpenVinoModel, compiled

log = logging.getLogger(__name__)


def load(directory: Path, *, threads: int) -> Model:
    """Load the model in `directory`; one run may use `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, or neither OpenVINO nor LiteRT can run it.
    """
    file = TFLITE.file(directory)
    try:
        with called(file, ".tflite") as named:
            return OpenVinoModel(*compiled(named, directory, threads=threads), platform="openvino_tflite")
    except ModelLoadError as error:
        log.info("%s: LiteRT runs it instead", error)
        return _by_litert(file, error, threads=threads)


def _by_litert(file: Path, refusal: ModelLoadError, *, threads: int) -> Model:
    # Imported only here: most models do without it, and its library takes memory in every replica.
    second = import_module(f"{__package__}.litert_model").LiteRtModel
    try:
        model: Model = second(file, threads=threads)
    except ModelLoadError as error:
        raise ModelLoadError(f"{refusal}; {error}") from error
    return model
