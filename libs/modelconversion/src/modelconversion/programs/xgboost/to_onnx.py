"""Converts XGBoost models to ONNX, with onnxmltools."""

import onnx
import onnxmltools  # type: ignore[import-not-found]  # only in its toolchain
import xgboost  # type: ignore[import-not-found]  # only in its toolchain
from onnxmltools.convert.common.data_types import FloatTensorType  # type: ignore[import-not-found]  # only in its toolchain

from ..onnx import scores as onnx_scores
from ..onnx.files import opset, save
from ..program import UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from .models import load_booster, objective, target_count

NEWEST_OPSET = 15
"""The newest opset that this converter supports."""


def convert(request: Request) -> dict[str, str]:
    """Convert the booster; its input is one matrix of features, its output the result of `Booster.predict`."""
    booster = load_booster(request)
    _check(booster)
    booster.feature_names = None  # the converter supports only the names f0, f1, …
    model = onnxmltools.convert_xgboost(
        booster,
        initial_types=[("input", FloatTensorType([None, booster.num_features()]))],
        target_opset=min(opset(request), NEWEST_OPSET),
    )
    if len(model.graph.output) > 1:
        _as_scores(model, objective(booster))
    save(model, request)
    return versions("onnxmltools", "xgboost-cpu", "onnx")


def _check(booster: xgboost.Booster) -> None:
    """Raise ProblemError for models that the converter misinterprets."""
    if (targets := target_count(booster)) > 1:
        raise ProblemError(
            UNSUPPORTED_OPERATOR,
            f"the model predicts {targets} targets, but onnxmltools converts only one: train a model for each target, "
            "or serve the model as it is",
        )


def _as_scores(model: onnx.ModelProto, aim: str) -> None:
    if aim == "multi:softmax":
        onnx_scores.keep_label(model)
    elif aim.startswith("multi:"):
        onnx_scores.keep_probabilities(model)
    else:
        onnx_scores.keep_second_probability(model)


if __name__ == "__main__":
    main(convert)
