"""Runs a scikit-learn estimator once."""

from ..program import Request, main, versions
from ..samples import first_that_runs, write_results
from ..tables import write_predictions
from .models import has_probabilities, load_estimator, rows_of


def convert(request: Request) -> dict[str, str]:
    """Predict labels, and probabilities if there are any; or transform."""
    estimator = load_estimator(request)
    rows = rows_of(estimator, request)
    if not hasattr(estimator, "predict"):
        transformed = estimator.transform(rows)
        write_results(request, {"transform": getattr(transformed, "toarray", lambda: transformed)()})
    else:
        scores = estimator.predict_proba(rows) if has_probabilities(estimator) else None
        write_predictions(request, estimator.predict(rows), scores)
    return versions("scikit-learn")


if __name__ == "__main__":
    main(first_that_runs(convert))
