"""Loads LightGBM models."""

import lightgbm  # type: ignore[import-not-found]  # only in its toolchain

from ..program import INVALID_MODEL, ProblemError, Request


def load_booster(request: Request) -> lightgbm.Booster:
    """Load the booster from its text. Raises ProblemError if it is invalid."""
    path = request.file
    try:
        return lightgbm.Booster(model_file=str(path))
    except lightgbm.basic.LightGBMError as error:
        raise ProblemError(INVALID_MODEL, f"{path.name} cannot be loaded by LightGBM: {error}") from error


def objective(booster: lightgbm.Booster) -> str:
    """Return an objective such as `multiclass`; empty if the model does not contain it."""
    lines = booster.model_to_string(num_iteration=1).splitlines()
    line_of_objective = next((line for line in lines if line.startswith("objective=")), "objective=")
    return line_of_objective.removeprefix("objective=").split(" ")[0]
