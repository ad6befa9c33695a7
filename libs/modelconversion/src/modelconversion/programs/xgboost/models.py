"""Boosters of XGBoost."""

import json
from typing import Any

import xgboost  # type: ignore[import-not-found]  # only in its toolchain

from ..program import INVALID_MODEL, ProblemError, Request


def load_booster(request: Request) -> xgboost.Booster:
    """The model, JSON or UBJSON whatever it is called. Raises ProblemError when it is none."""
    path = request.file
    booster = xgboost.Booster()
    try:
        booster.load_model(bytearray(path.read_bytes()))
    except xgboost.core.XGBoostError as error:
        reason = str(error).splitlines()[0]
        raise ProblemError(INVALID_MODEL, f"{path.name} cannot be loaded by XGBoost: {reason}") from error
    return booster


def objective(booster: xgboost.Booster) -> str:
    """Such as `multi:softprob`."""
    return str(_learner(booster)["objective"]["name"])


def target_count(booster: xgboost.Booster) -> int:
    """How many numbers there are for a row, classes aside."""
    return int(_learner(booster)["learner_model_param"].get("num_target", 1))


def _learner(booster: xgboost.Booster) -> Any:
    return json.loads(booster.save_config())["learner"]
