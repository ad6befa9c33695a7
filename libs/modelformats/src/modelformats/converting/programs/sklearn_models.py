"""Estimators of scikit-learn from joblib or pickle files. Loading one runs what is in it: programs are confined."""

from typing import Any

import joblib
import pandas as pd  # type: ignore[import-untyped]  # only in its toolchain
from numpy.typing import NDArray

from .program import INVALID_MODEL, ProblemError, Request


def load_estimator(request: Request) -> Any:
    """The fitted estimator. Raises ProblemError when this scikit-learn cannot load it."""
    path = request.single_file("*.joblib", "*.pkl")
    try:
        estimator = joblib.load(path)
    except Exception as error:  # unpickling raises anything
        raise ProblemError(
            INVALID_MODEL,
            f"{path.name} cannot be loaded ({type(error).__name__}: {error}): train or save it again with a newer "
            "scikit-learn",
        ) from error
    if not hasattr(estimator, "predict"):
        raise ProblemError(INVALID_MODEL, f"{path.name} holds a {type(estimator).__name__}, which predicts nothing")
    return estimator


def named_columns(estimator: Any, values: NDArray[Any]) -> Any:
    """A matrix as the estimator takes it: one that was fitted on named columns may look for them."""
    names = getattr(estimator, "feature_names_in_", None)
    return values if names is None else pd.DataFrame(values, columns=names)
