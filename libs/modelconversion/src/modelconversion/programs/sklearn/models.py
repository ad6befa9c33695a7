"""Loads scikit-learn estimators from joblib or pickle files, which may load only known or trusted classes."""

from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # only in its toolchain
from numpy.typing import NDArray

from modelfiles.unpickling.allowlist import Allowlist, parse_trust
from modelfiles.unpickling.errors import RefusedPickleError
from modelfiles.unpickling.loading import load

from ..program import INVALID_MODEL, ProblemError, Request
from ..samples import read_samples


def load_estimator(request: Request) -> Any:
    """Load the fitted estimator. Raises ProblemError if this version of scikit-learn cannot load it."""
    path = request.file
    try:
        estimator = load(path, Allowlist(frozenset(map(parse_trust, request.trust))))
    except RefusedPickleError as error:
        raise ProblemError(INVALID_MODEL, f"{path.name} is not loaded: {error}") from error
    except Exception as error:  # unpickling can raise any exception
        raise ProblemError(
            INVALID_MODEL,
            f"{path.name} cannot be loaded ({type(error).__name__}: {error}): train or save it again with a newer "
            "scikit-learn",
        ) from error
    estimator = getattr(
        estimator, "best_estimator_", estimator
    )  # the best estimator of a search over parameters, which only calls it
    if not hasattr(estimator, "predict") and not hasattr(estimator, "transform"):
        raise ProblemError(
            INVALID_MODEL, f"{path.name} contains a {type(estimator).__name__}, which neither predicts nor transforms"
        )
    return estimator


def has_probabilities(estimator: Any) -> bool:
    """Return whether it has one table of probabilities. Several targets have several, which are not one tensor."""
    return hasattr(estimator, "predict_proba") and not isinstance(getattr(estimator, "classes_", None), list)


def rows_of(estimator: Any, request: Request) -> Any:
    """Return the samples as the estimator requires them: a matrix, or a table with a column for each input.

    Numbers are float64, like in the model servers. An estimator that was fitted on named columns may look for them.
    """
    samples = {name: _widened(array) for name, array in read_samples(request).items()}
    names = getattr(estimator, "feature_names_in_", None)
    if len(samples) == 1:
        (values,) = samples.values()
        return values if names is None else pd.DataFrame(values, columns=names)
    if names is not None:
        return pd.DataFrame(samples)
    kind = object if any(array.dtype == object for array in samples.values()) else None
    return np.stack([array.astype(kind or array.dtype) for array in samples.values()], axis=1)


def _widened(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype({"f": np.float64, "U": object}.get(array.dtype.kind, array.dtype))
