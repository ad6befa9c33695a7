"""Thresholds, categories and ranges of a scikit-learn estimator, column by column."""

from ..program import Request, main, versions
from ..table_hints import Columns
from .models import load_estimator
from .part_hints import look


def convert(request: Request) -> dict[str, str]:
    """Write what the parts of the estimator say that see its columns as they come."""
    estimator, columns = load_estimator(request), Columns()
    look(estimator, list(range(getattr(estimator, "n_features_in_", 0))), columns)
    columns.write(request)
    return versions("scikit-learn")


if __name__ == "__main__":
    main(convert)
