"""LightGBM boosters in their text format; the output is the result of `Booster.predict`."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from kleverserve.errors import ModelLoadError
from kleverserve.tensors import Array, Datatype
from modelfiles.recognition import LIGHTGBM

from .files import one_line
from .matrices import INPUT, as_declared, matrix_input, observed_output
from .runs import running

OUTPUT = "predict"


def load(directory: Path, *, threads: int) -> "LightGbmModel":
    """Load the booster in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, or LightGBM cannot load it.
    """
    file = LIGHTGBM.file(directory)
    lightgbm.register_logger(_Silent())
    try:
        return LightGbmModel(lightgbm.Booster(model_file=str(file)), threads)
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        raise ModelLoadError(f"LightGBM cannot load {file}: {one_line(error)}") from error


class LightGbmModel:
    """A booster as a `Model`: a matrix FP64, in which NaN is a missing value, to its predictions."""

    platform = "lightgbm_booster"
    row_wise = True
    example = None

    def __init__(self, booster: Any, threads: int) -> None:
        self._booster = booster
        self._threads = threads
        self.inputs = [matrix_input(booster.num_feature(), Datatype.FP64, booster.feature_name())]
        self.outputs = [observed_output(OUTPUT, self._run(np.zeros((2, booster.num_feature()))))]

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the booster; see `Model.predict`."""
        return {name: as_declared(self._run(inputs[INPUT]), self.outputs[0]) for name in outputs}

    def _run(self, rows: Array) -> Array:
        with running():
            return np.asarray(self._booster.predict(rows, num_threads=self._threads))


class _Silent:
    """A logger that discards messages: LightGBM writes them to stdout, the log of the server.

    Errors are raised anyway.
    """

    def info(self, message: str) -> None:
        """Discard the message."""

    def warning(self, message: str) -> None:
        """Discard the message."""
