"""XGBoost boosters: JSON, UBJSON, and the old binary format if the installed XGBoost still reads it.

The output is the result of `Booster.predict`: probabilities of classes, labels or numbers, depending on the objective.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from kleverserve.errors import ModelLoadError
from kleverserve.tensors import Array, Datatype
from modelfiles.recognition import XGBOOST

from .files import one_line
from .matrices import INPUT, as_declared, matrix_input, observed_output
from .runs import running

OUTPUT = "predict"
LINEAR = "gblinear"


def load(directory: Path, *, threads: int) -> "XGBoostModel":
    """Load the booster in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, or XGBoost cannot load it.
    """
    file = XGBOOST.file(directory)
    booster = xgboost.Booster({"nthread": threads, "verbosity": 0})
    try:
        booster.load_model(bytearray(file.read_bytes()))
        booster.set_param({"nthread": threads, "verbosity": 0})
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise ModelLoadError(
            f"XGBoost {xgboost.__version__} cannot load {file}: {one_line(error).split(' Stack trace')[0]}; "
            "a model in the old binary format must be saved again as .json or .ubj by the XGBoost that made it"
        ) from error
    return XGBoostModel(booster, threads)


class XGBoostModel:
    """A booster as a `Model`: a matrix FP32, in which NaN is a missing value, to its predictions."""

    platform = "xgboost_booster"
    row_wise = True
    example = None

    def __init__(self, booster: Any, threads: int) -> None:
        self._booster = booster
        self._threads = threads
        learner = json.loads(booster.save_config())["learner"]
        # Trees can be used by many threads at once; XGBoost does not guarantee that for linear boosters.
        self._lock = threading.Lock() if learner["gradient_booster"]["name"] == LINEAR else nullcontext()
        self.inputs = [matrix_input(booster.num_features(), Datatype.FP32, booster.feature_names)]
        trial = self._run(np.zeros((2, booster.num_features()), np.float32))
        self.outputs = [observed_output(OUTPUT, trial, {"objective": learner["objective"]["name"]})]

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the booster; see `Model.predict`."""
        return {name: as_declared(self._run(inputs[INPUT]), self.outputs[0]) for name in outputs}

    def _run(self, rows: Array) -> Array:
        with running(), self._lock:
            matrix = xgboost.DMatrix(
                rows,
                missing=np.nan,
                feature_names=self._booster.feature_names,
                feature_types=self._booster.feature_types,
                nthread=self._threads,
                enable_categorical=True,
            )
            return np.asarray(self._booster.predict(matrix))
