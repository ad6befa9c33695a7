"""Converts scikit-learn estimators and pipelines to ONNX, with skl2onnx."""

from typing import Any

from skl2onnx import convert_sklearn
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from ..onnx.files import opset, save
from ..program import UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from . import hist_boosting
from .columns import initial_types, with_columns
from .models import has_probabilities, load_estimator
from .trees import route_missing

_REFUSALS = (NotImplementedError, RuntimeError, TypeError, ValueError, AssertionError)
"""Errors of skl2onnx for unsupported estimators, parameters and opsets."""
_LOCALE = "C.UTF-8"
"""For lower case: unlike skl2onnx's en_US.UTF-8, it exists on every machine."""
_TABLE_OPSET = 3
"""Opset of ONNX's operators for models of tables: the last one that skl2onnx supports."""


def convert(request: Request) -> dict[str, str]:
    """Convert the estimator; numbers are float32, outputs are labels and probabilities."""
    estimator = load_estimator(request)
    model = _converted(estimator, request)
    if not has_probabilities(estimator):
        del model.graph.output[1:]  # skl2onnx returns scores if the estimator has no probabilities
    route_missing(model, estimator)
    with_columns(model, request)
    save(model, request)
    return versions("skl2onnx", "scikit-learn", "onnx")


def _converted(estimator: Any, request: Request) -> Any:
    hist_boosting.register()
    for step in [estimator, *(step for _, step in getattr(estimator, "steps", ()))]:
        if hasattr(step, "flatten_transform"):
            step.flatten_transform = False  # of a vote: used by `transform` only, and rejected by skl2onnx
    try:
        return convert_sklearn(
            estimator,
            initial_types=initial_types(request, estimator),
            target_opset={"": opset(request), "ai.onnx.ml": _TABLE_OPSET},
            options={kind: {"locale": _LOCALE} for kind in (CountVectorizer, TfidfVectorizer)},
        )
    except (MissingConverter, MissingShapeCalculator, *_REFUSALS) as error:
        reason = str(error).strip().splitlines()[0]
        raise ProblemError(UNSUPPORTED_OPERATOR, f"skl2onnx cannot convert a part of the model: {reason}") from error


if __name__ == "__main__":
    main(convert)
