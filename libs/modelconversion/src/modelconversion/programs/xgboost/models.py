"""Loads XGBoost models."""

import json
from typing import Any

import xgboost  # type: ignore[import-not-found]  # only in its toolchain

from ..program import INVALID_MODEL, ProblemError, Request


def load_booster(request: Request) -> xgboost.Booster:
    """Load the booster from JSON or UBJSON, regardless of the file's name. Raises ProblemError if it is invalid."""
    path = request.file
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(path.read_bytes()))
    except xgboost.core.XGBoostError as error:
        reason = str(error).splitlines()[0]
        raise ProblemError(INVALID_MODEL, f"{path.name} cannot be loaded by XGBoost: {reason}") from error
    return booster


def objective(booster: xgboost.Booster) -> str:
    """Return an objective such as `multi:softprob`."""
    return str(_learner(booster)["objective"]["name"])


def target_count(booster: xgboost.Booster) -> int:
    """Return the number of values for a row, not counting classes."""
    return int(_learner(booster)["learner_model_param"].get("num_target", 1))


def _learner(booster: xgboost.Booster) -> Any:
    return json.loads(booster.save_config())["learner"]
