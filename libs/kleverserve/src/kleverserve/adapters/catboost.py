"""CatBoost models, `.cbm` or JSON.

Models with only numerical features have one matrix as input. Models with features of categories or text have one input
for each feature.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import catboost
import numpy as np

from kleverserve.errors import InvalidRequestError, ModelLoadError
from kleverserve.model import TensorSpec
from kleverserve.tensors import Array, Datatype
from modelfiles.recognition import CATBOOST

from .files import one_line
from .matrices import INPUT, as_declared, matrix_input, names_parameter, observed_output
from .runs import running

CLASSIFIERS = frozenset({"Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"})
LABELS, PROBABILITIES = "predict", "predict_proba"


def load(directory: Path, *, threads: int) -> "CatBoostModel":
    """Load the CatBoost model in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one model file, or CatBoost cannot load it.
    """
    file = CATBOOST.file(directory)
    kind = "json" if file.read_bytes()[:1] == b"{" else "cbm"
    try:
        model = catboost.CatBoost().load_model(str(file), format=kind)
        loss = str(model.get_all_params().get("loss_function", "")).split(":")[0]
        if loss in CLASSIFIERS:
            model = catboost.CatBoostClassifier().load_model(str(file), format=kind)
    except catboost.CatBoostError as error:
        raise ModelLoadError(f"CatBoost cannot load {file}: {one_line(error)}") from error
    return CatBoostModel(model, threads)


class CatBoostModel:
    """A CatBoost model as a `Model`. Numbers are FP32, where NaN is a missing value; categories and text are BYTES."""

    platform = "catboost_model"
    row_wise = True
    example = None

    def __init__(self, model: Any, threads: int) -> None:
        self._model = model
        self._threads = threads
        names = [str(name) for name in model.feature_names_]
        texts = {*model.get_cat_feature_indices(), *model.get_text_feature_indices()}
        self._is_matrix = not texts
        self.inputs = (
            [matrix_input(len(names), Datatype.FP32, names)]
            if self._is_matrix
            else [
                TensorSpec(name, Datatype.BYTES if index in texts else Datatype.FP32, (-1,))
                for index, name in enumerate(names)
            ]
        )
        trial = np.zeros((2, len(names)), np.float32) if self._is_matrix else self._trial_columns()
        self.outputs = [observed_output(LABELS, self._run(LABELS, trial))]
        if hasattr(model, PROBABILITIES):
            classes = names_parameter("classes", model.classes_)
            self.outputs.append(observed_output(PROBABILITIES, self._run(PROBABILITIES, trial), classes))

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the model; see `Model.predict`."""
        rows = inputs[INPUT] if self._is_matrix else self._columns(inputs)
        return {
            spec.name: as_declared(self._run(spec.name, rows), spec) for spec in self.outputs if spec.name in outputs
        }

    def _run(self, method: str, rows: Array) -> Array:
        with running():
            values = np.asarray(getattr(self._model, method)(rows, thread_count=self._threads))
        # labels of several classes are a column
        return values[:, 0] if method == LABELS and values.ndim > 1 and values.shape[1] == 1 else values

    def _trial_columns(self) -> Array:
        return self._columns({spec.name: _trial(spec) for spec in self.inputs})

    def _columns(self, inputs: Mapping[str, Array]) -> Array:
        columns = [inputs[spec.name] for spec in self.inputs]
        if len({len(column) for column in columns}) != 1:
            raise InvalidRequestError("every input must have as many values as the others: one for each row")
        return np.stack([column.astype(object) for column in columns], axis=1)


def _trial(spec: TensorSpec) -> Array:
    return np.array(["a", "a"], object) if spec.datatype is Datatype.BYTES else np.zeros(2, np.float32)
