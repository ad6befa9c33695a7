"""Score a PMML model once, with PMML4S."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pypmml import Model, PMMLError

from .pmml_columns import read_columns
from .program import INVALID_MODEL, ProblemError, Request, main, versions
from .samples import read_samples
from .tables import write_predictions

PROBABILITY = "probability("


def convert(request: Request) -> dict[str, str]:
    """Score the sample rows; labels and probabilities of classifiers, else the numbers."""
    path = request.single_file("*.pmml", "*.xml")
    try:
        model = Model.load(str(path))
        scores, classes = model.predict(_rows(request, path)[list(model.inputNames)]), list(model.classes)
    except PMMLError as error:
        raise ProblemError(INVALID_MODEL, f"PMML4S cannot score {path.name}: {error}") from error
    finally:
        Model.close()
    write_predictions(request, *_predictions(scores, classes))
    return versions("pypmml")


def _rows(request: Request, path: Path) -> Any:
    """The samples with the names of the columns: one matrix, or a column for each input."""
    samples = read_samples(request)
    if len(samples) > 1:
        return pd.DataFrame({name: values.reshape(-1) for name, values in samples.items()})
    (values,) = samples.values()
    return pd.DataFrame(values.astype(float), columns=read_columns(path) or None)


def _predictions(scores: Any, classes: list[Any]) -> tuple[Any, ...]:
    probabilities = [name for name in scores.columns if name.startswith(PROBABILITY)]
    if not probabilities:
        return (scores.to_numpy().squeeze(),)
    matrix = scores[probabilities].to_numpy()
    return np.asarray(classes)[matrix.argmax(axis=1)], matrix


if __name__ == "__main__":
    main(convert)
