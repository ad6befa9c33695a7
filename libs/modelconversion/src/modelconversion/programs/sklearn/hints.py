"""Thresholds, categories and ranges of a scikit-learn estimator, column by column."""

from ..program import Request, main, versions
from ..table_hints import Columns
from .models import load_estimator
from .part_hints import collect_hints


def convert(request: Request) -> dict[str, str]:
    """Write the hints of the parts of the estimator that receive its columns unchanged."""
    estimator, columns = load_estimator(request), Columns()
    collect_hints(estimator, list(range(getattr(estimator, "n_features_in_", 0))), columns)
    columns.write(request)
    return versions("scikit-learn")


if __name__ == "__main__":
    main(convert)
