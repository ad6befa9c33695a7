"""Loads CatBoost models."""

from typing import Any

import catboost  # type: ignore[import-not-found]  # only in its toolchain

from ..program import INVALID_MODEL, ProblemError, Request

CLASSIFIERS = frozenset({"Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"})


def load_model(request: Request) -> Any:
    """Load the model, binary or JSON: a classifier, or a regressor. Raises ProblemError if it is invalid."""
    path = request.file
    kind = "json" if path.read_bytes()[:1] == b"{" else "cbm"
    try:
        model = catboost.CatBoost().load_model(str(path), format=kind)
        loss = str(model.get_all_params().get("loss_function", "")).split(":")[0]
        if loss in CLASSIFIERS:
            return catboost.CatBoostClassifier().load_model(str(path), format=kind)
    except catboost.CatBoostError as error:
        raise ProblemError(INVALID_MODEL, f"{path.name} cannot be loaded by CatBoost: {error}") from error
    return model
