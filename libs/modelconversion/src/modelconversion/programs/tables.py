"""What programs for models of tables share: one matrix in; labels and probabilities, or numbers, out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .program import INPUT_SHAPE_NEEDED, UNSUPPORTED_OPERATOR, ProblemError, Request
from .samples import are_columns, read_samples, write_results


def feature_count(request: Request) -> int:
    """Columns of the table. Raises ProblemError when the signature does not contain it."""
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
    """The sample of the only input, or the columns beside each other."""
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
    """Write what the model predicts."""
    outputs = {"predict": np.asarray(labels)}
    if probabilities is not None:
        outputs["predict_proba"] = np.asarray(probabilities)
    write_results(request, outputs)
