"""Shared by programs for models of tables: one matrix as input; labels and probabilities, or numbers, as outputs."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .program import INPUT_SHAPE_NEEDED, UNSUPPORTED_OPERATOR, ProblemError, Request
from .samples import are_columns, read_samples, write_results


def feature_count(request: Request) -> int:
    """Return the number of columns. Raises ProblemError if the signature does not contain it."""
    if len(request.inputs) > 1:
        return len(request.inputs)
    shape = request.inputs[0].shape if request.inputs else None
    if shape is None or not isinstance(shape[-1], int) or shape[-1] < 1:
        raise ProblemError(
            INPUT_SHAPE_NEEDED,
            "the model does not contain its number of features: declare its input in ormbfile.yaml "
            "(signature.inputs, a name, dType and size such as [-1, 4])",
        )
    return shape[-1]


def table(request: Request) -> NDArray[Any]:
    """Return the sample of the only input, or the columns concatenated."""
    samples = read_samples(request)
    if len(samples) > 1 and are_columns(samples):
        return np.stack(list(samples.values()), axis=1)
    if len(samples) != 1:
        raise ProblemError(
            UNSUPPORTED_OPERATOR, "the model has columns of several types: only tables of numbers convert"
        )
    (values,) = samples.values()
    return values


def write_predictions(request: Request, labels: Any, probabilities: Any = None) -> None:
    """Write the predictions of a model."""
    outputs = {"predict": np.asarray(labels)}
    if probabilities is not None:
        outputs["predict_proba"] = np.asarray(probabilities)
    write_results(request, outputs)
