"""Scores a PMML model once, with PMML4S (Java)."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from pypmml import Model, PMMLContext
from pypmml.jvm import PMMLError

from ..program import INVALID_MODEL, ProblemError, Request, main, versions
from ..samples import Array, first_that_runs, read_samples
from ..tables import write_predictions

PREDICTED = "predicted_"
"""PMML4S's prefix for the predicted label or number of a target."""
VOTES = "probability_"
"""PMML4S's prefix for the share of votes of a class, if the document declares no output."""
SUPPORT_VECTORS = "{*}SupportVectorMachineModel"


def convert(request: Request) -> dict[str, str]:
    """Predict labels, and probabilities if the document declares them; or numbers."""
    path = request.file
    try:
        PMMLContext.getOrCreate(gateway="jpype")
        model = Model.fromFile(str(path))
    except PMMLError as error:
        raise ProblemError(INVALID_MODEL, f"PMML4S cannot read {path.name}: {error}") from error
    try:
        predict(request, model)
    finally:
        Model.close()
    return versions("pypmml")


def predict(request: Request, model: Any) -> None:
    """Score every row of the samples."""
    root = ET.parse(request.file).getroot()  # noqa: S314  # programs are confined
    probabilities = probability_fields(root)
    model.setSupplementOutput(True)
    scored = [model.predict(row) for row in rows(request, columns(root, model.targetNames))]
    probabilities = [name for name in probabilities if name in scored[0]]  # not those of nested models
    predicted = PREDICTED + model.targetNames[0]
    by_votes = VOTES + str(model.classes[0]) in scored[0] if root.find(SUPPORT_VECTORS) is not None else False
    if any(row[name] is None for row in scored for name in (predicted, *probabilities)):
        raise ProblemError(INVALID_MODEL, "the model predicts nothing for some of the samples: they may be invalid")
    write_predictions(
        request,
        np.array([most_votes(model, row) if by_votes else row[predicted] for row in scored]),
        np.array([[row[name] for name in probabilities] for row in scored]) if probabilities else None,
    )


def most_votes(model: Any, row: dict[str, Any]) -> Any:
    """Return the label with the votes of most pairs of classes; on a tie the first one, like LIBSVM.

    PMML does not define ties, and PMML4S selects any of the labels.
    """
    return max(model.classes, key=lambda label: row[VOTES + str(label)])


def probability_fields(root: ET.Element) -> list[str]:
    """Return the outputs with the probability of each class, in order; in a chain, those of its last model."""
    fields = root.iterfind(".//{*}Output/{*}OutputField")
    probabilities = [field for field in fields if field.get("feature") == "probability" and field.get("value")]
    return [field.get("name", "") for field in probabilities]


def columns(root: ET.Element, targets: list[str]) -> list[str]:
    """Return the names of the columns, in the order of the data dictionary."""
    fields = root.iterfind("{*}DataDictionary/{*}DataField")
    return [name for field in fields if (name := field.get("name", "")) not in targets]


def rows(request: Request, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the samples row by row: one matrix with a column for each name, or a vector for each of some names.

    Values are Python numbers, None if one is missing: the bridge to Java rejects those of NumPy. Raises ProblemError
    for another width.
    """
    samples = read_samples(request)
    first = next(iter(samples.values()))
    if len(samples) == 1 and first.ndim > 1:
        if first.shape[1] != len(names):
            raise ProblemError(INVALID_MODEL, f"the model has {len(names)} columns, the samples {first.shape[1]}")
        samples = dict(zip(names, first.T, strict=True))
    values = {name: python_values(array) for name, array in samples.items()}
    for row in zip(*values.values(), strict=True):
        yield dict(zip(values, row, strict=True))


def python_values(array: Array) -> list[Any]:
    """Return the elements as Python values, with None in place of NaN."""
    values = array.astype(object)
    if array.dtype.kind == "f":
        values[np.isnan(array)] = None
    listed: list[Any] = values.tolist()
    return listed


if __name__ == "__main__":
    main(first_that_runs(convert))
