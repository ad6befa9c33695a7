"""Run a scikit-learn estimator once."""

from .program import Request, main, versions
from .samples import first_that_runs
from .sklearn_models import load_estimator, named_columns
from .tables import table, write_predictions


def convert(request: Request) -> dict[str, str]:
    """Predict labels, and probabilities where there are any."""
    estimator = load_estimator(request)
    values = named_columns(estimator, table(request))
    has_scores = hasattr(estimator, "predict_proba")
    write_predictions(request, estimator.predict(values), estimator.predict_proba(values) if has_scores else None)
    return versions("scikit-learn")


if __name__ == "__main__":
    main(first_that_runs(convert))
