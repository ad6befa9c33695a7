"""scikit-learn estimators and pipelines to PMML, with sklearn2pmml, which runs Java."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

from typing import Any

from sklearn2pmml import make_pmml_pipeline, sklearn2pmml

from .pmml_columns import write_columns
from .program import UNSUPPORTED_OPERATOR, ProblemError, Request, main, versions
from .sklearn_models import load_estimator
from .tables import feature_count

FILE, TARGET = "model.pmml", "y"


def convert(request: Request) -> dict[str, str]:
    """Convert the estimator; its features keep their names, else they are x1, x2 and so on."""
    estimator = load_estimator(request)
    columns = _columns(estimator, request)
    path = request.destination / FILE
    try:
        sklearn2pmml(make_pmml_pipeline(estimator, active_fields=columns, target_fields=[TARGET]), str(path))
    except (RuntimeError, TypeError) as error:
        message = "sklearn2pmml does not know a part of the model: the lines above say which"
        raise ProblemError(UNSUPPORTED_OPERATOR, message) from error
    write_columns(path, columns)
    return versions("sklearn2pmml", "scikit-learn")


def _columns(estimator: Any, request: Request) -> list[str]:
    names = getattr(estimator, "feature_names_in_", None)
    if names is not None:
        return [str(name) for name in names]
    count = getattr(estimator, "n_features_in_", None) or feature_count(request)
    return [f"x{number + 1}" for number in range(count)]


if __name__ == "__main__":
    main(convert)
