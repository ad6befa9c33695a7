"""scikit-learn estimators and pipelines from joblib or pickle files, which may load only known or trusted classes.

Outputs have the names of methods: `predict`, `predict_proba` if the estimator has it, and `transform` for estimators
without `predict`. Their types and shapes come from a run on two generated rows when the model is loaded.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

import logging
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
from sklearn.base import is_regressor
from threadpoolctl import ThreadpoolController

from kleverserve.breakage import is_broken
from kleverserve.errors import ApiError, ModelLoadError
from kleverserve.pickles import remedy, sklearn_version
from kleverserve.tensors import Array
from modelfiles.recognition import SKLEARN
from modelfiles.unpickling.allowlist import Allowlist
from modelfiles.unpickling.errors import RefusedPickleError
from modelfiles.unpickling.loading import load as load_pickle

from .declared import declared_signature
from .files import one_line
from .matrices import as_declared, names_parameter, observed_output
from .runs import running
from .sklearn_inputs import Layout, layout_of, trial_inputs

if TYPE_CHECKING:
    from kleverserve.model import TensorSpec

log = logging.getLogger(__name__)

PROBABILITIES = "predict_proba"


def load(directory: Path, *, threads: int) -> "SklearnModel":
    """Load the estimator in `directory`; one run uses at most `threads` threads.

    Raises:
        ModelLoadError: there is not exactly one, this version of scikit-learn cannot load it, or it is not fitted.
    """
    file = SKLEARN.file(directory)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            estimator = load_pickle(file, Allowlist.from_environment())
        except RefusedPickleError as error:
            raise ModelLoadError(f"{file} is not loaded: {error}") from error
        except Exception as error:  # unpickling can raise any exception
            raise ModelLoadError(
                f"{file} cannot be loaded ({_named(error)}): {remedy(sklearn_version(file))}"
            ) from error
    for line in sorted({one_line(warning.message) for warning in said if isinstance(warning.message, Warning)}):
        log.warning("while loading %s: %s", file.name, line)
    layout = layout_of(estimator, declared_signature(directory).inputs)
    try:
        return SklearnModel(estimator, layout, threads=threads)
    except ApiError as error:
        raise ModelLoadError(
            f"the model was loaded but fails when it is run ({one_line(error)}): {remedy(sklearn_version(file))}"
        ) from error


class SklearnModel:
    """A fitted estimator as a `Model`.

    Raises:
        ModelLoadError: it neither predicts nor transforms, or it rejects generated rows and does not describe its
            outputs.
        ApiError: it is broken: it fails on any rows, for example because it is not fitted.
    """

    platform = "sklearn_estimator"

    def __init__(self, estimator: Any, layout: Layout, *, threads: int) -> None:
        self._estimator = estimator
        self._layout = layout
        self._threads = threads
        self._pools = ThreadpoolController()
        self._limited = threading.local()
        self.row_wise = hasattr(estimator, "predict")
        self.inputs = layout.specs
        self.example: Mapping[str, Array] | None = None
        self.outputs: list[TensorSpec] = []
        for method in self._methods():
            try:
                values = self._trial(method)
            except (ApiError, ModelLoadError) as error:
                if not self.outputs:
                    raise
                log.warning("output '%s' is not served: %s", method, error)
            else:
                self.outputs.append(observed_output(method, values, self._columns(method)))

    def predict(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Run the estimator; see `Model.predict`."""
        rows = self._layout.rows(inputs)
        return {
            spec.name: as_declared(self._run(spec.name, rows), spec) for spec in self.outputs if spec.name in outputs
        }

    def _methods(self) -> list[str]:
        if not hasattr(self._estimator, "predict"):
            if not hasattr(self._estimator, "transform"):
                kind = type(self._estimator).__name__
                raise ModelLoadError(f"the file holds a {kind}, which has neither predict nor transform")
            return ["transform"]
        # With several targets, there are several tables of probabilities, which are not one tensor.
        several = isinstance(getattr(self._estimator, "classes_", None), list)
        return ["predict", PROBABILITIES] if hasattr(self._estimator, PROBABILITIES) and not several else ["predict"]

    def _columns(self, method: str) -> dict[str, str]:
        """Return the classes of the columns of probabilities."""
        classes = getattr(self._estimator, "classes_", None)
        if method == PROBABILITIES and isinstance(classes, np.ndarray):
            return names_parameter("classes", classes.tolist())
        return {}

    def _trial(self, method: str) -> Array:
        """Return the result for generated rows.

        If the estimator rejects them, an empty array described by its attributes.
        """
        refusal: ApiError | None = None
        for number in (0, 1):
            example = trial_inputs(self._layout, self._estimator, number)
            try:
                values = self._run(method, self._layout.rows(example))
            except ApiError as error:
                if is_broken(error):
                    raise
                refusal = error
            else:
                self.example = example
                return values
        expected = self._expected(method)
        if expected is None:
            raise ModelLoadError(
                "the estimator cannot be run on a row of zeros or known categories, and does not describe its outputs: "
                f"{refusal}"
            ) from refusal
        return expected

    def _expected(self, method: str) -> Array | None:
        classes = getattr(self._estimator, "classes_", None)
        if isinstance(classes, np.ndarray):
            return np.empty((0, len(classes))) if method == PROBABILITIES else classes[:0]
        return np.empty(0) if method == "predict" and is_regressor(self._estimator) else None

    def _run(self, method: str, rows: Any) -> Array:
        self._limit_threads()
        with running(), joblib.parallel_config(backend="threading", n_jobs=self._threads):
            values = getattr(self._estimator, method)(rows)
        return np.asarray(values.toarray() if hasattr(values, "toarray") else values)

    def _limit_threads(self) -> None:
        # OpenMP stores the number of threads for each calling thread.
        if not getattr(self._limited, "done", False):
            self._limited.limit = self._pools.limit(limits=self._threads)
            self._limited.done = True


def _named(error: Exception) -> str:
    kind, said = type(error).__name__, one_line(error)
    return kind if said == kind else f"{kind}: {said}"
