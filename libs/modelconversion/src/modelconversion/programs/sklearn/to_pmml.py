"""Converts scikit-learn estimators and pipelines to PMML 4.4, with JPMML-SkLearn (Java)."""

# mypy: disable-error-code="import-not-found,import-untyped"
# It is installed in the toolchain only.

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from sklearn2pmml import make_pmml_pipeline, sklearn2pmml

from ..program import TOOLCHAIN_FAILED, UNSUPPORTED_OPERATOR, ProblemError, Request, main, print_progress, versions
from ..tables import feature_count
from .models import load_estimator

FILE = "model.pmml"
NAMESPACE = "http://www.dmg.org/PMML-4_4"
REASON = "Exception: "
VENDOR_METHOD = "x-"
"""Prefix of extensions to the PMML standard."""
TREE_OPTIONS = {"allow_missing": True, "compact": False}
"""Options of JPMML for all trees: route missing values like the trees of the estimator."""
INFINITE, LARGEST = "INF", str(np.finfo(np.float32).max)
"""The threshold of a split between missing and other values: PMML4S cannot parse it, and no number is larger than the
replacement.
"""


def convert(request: Request) -> dict[str, str]:
    """Convert the estimator; columns have the names it was fitted with, else x1, x2 and so on."""
    estimator = load_estimator(request)
    if not hasattr(estimator, "predict"):
        raise ProblemError(
            UNSUPPORTED_OPERATOR, f"a {type(estimator).__name__} predicts nothing: PMML supports only models"
        )
    names = column_names(estimator, request)
    path = request.destination / FILE
    pipeline = make_pmml_pipeline(estimator, active_fields=names)
    pipeline.configure(**TREE_OPTIONS)
    export(pipeline, path)
    complete(path, names)
    return versions("sklearn2pmml", "scikit-learn")


def column_names(estimator: Any, request: Request) -> list[str]:
    """Return the names of the estimator's columns."""
    if hasattr(estimator, "feature_names_in_"):
        return [str(name) for name in estimator.feature_names_in_]
    count = getattr(estimator, "n_features_in_", None) or feature_count(request)
    return [f"x{number}" for number in range(1, count + 1)]


def export(pipeline: Any, path: Path) -> None:
    """Write the document. Raises ProblemError with the message of Java if that fails."""
    output = StringIO()
    try:
        with redirect_stdout(output):
            sklearn2pmml(pipeline, str(path))
    except RuntimeError as error:
        print_progress(output.getvalue())
        reasons = [line.rpartition(REASON)[2] for line in output.getvalue().splitlines() if REASON in line]
        if not reasons:
            raise ProblemError(TOOLCHAIN_FAILED, f"the converter failed: {error}") from error
        raise ProblemError(
            UNSUPPORTED_OPERATOR,
            f"JPMML-SkLearn cannot convert the model, made of {parts_of(pipeline)}: {reasons[-1].strip()}",
        ) from error


def parts_of(estimator: Any) -> str:
    """Return the classes of an estimator or of a pipeline's steps: JPMML does not always name the unsupported one."""
    steps = getattr(estimator, "steps", None)
    return ", ".join(parts_of(step) for _, step in steps) if steps else type(estimator).__name__


def complete(path: Path, names: list[str]) -> None:
    """Declare all columns, including unused ones, in order after the targets, so that tables can be scored by position.

    Raises ProblemError if only JPMML could score the model.
    """
    ET.register_namespace("", NAMESPACE)
    document = ET.parse(path)  # noqa: S314  # JPMML wrote it
    for element in document.iter():
        method = element.get("multipleModelMethod", "")
        if method.startswith(VENDOR_METHOD):
            raise ProblemError(
                UNSUPPORTED_OPERATOR,
                f"the model needs {method}, which is not of the PMML standard: convert an estimator with one target",
            )
        if element.get("value") == INFINITE and element.tag == f"{{{NAMESPACE}}}SimplePredicate":
            element.set("value", LARGEST)
    dictionary = document.getroot().find(f"{{{NAMESPACE}}}DataDictionary")
    if dictionary is None:
        raise ProblemError(TOOLCHAIN_FAILED, "the converter wrote a document without a data dictionary")
    declared = {field.get("name"): field for field in dictionary}
    columns = [declared.pop(name) if name in declared else unused(name) for name in names]
    dictionary[:] = [*declared.values(), *columns]
    document.write(path, encoding="utf-8", xml_declaration=True)


def unused(name: str) -> ET.Element:
    """Return the declaration of a column with any number."""
    return ET.Element(f"{{{NAMESPACE}}}DataField", name=name, optype="continuous", dataType="double")


if __name__ == "__main__":
    main(convert)
