"""Thresholds, categories and ranges of a scikit-learn estimator, column by column."""

from .program import Request, main, versions
from .sklearn_hints import look
from .sklearn_models import load_estimator
from .table_hints import Columns


def convert(request: Request) -> dict[str, str]:
    """Write what the parts of the estimator say that see its columns as they come."""
    estimator, columns = load_estimator(request), Columns()
    look(estimator, list(range(getattr(estimator, "n_features_in_", 0))), columns)
    columns.write(request)
    return versions("scikit-learn")


if __name__ == "__main__":
    main(convert)
