"""Runs an XGBoost model once."""

import xgboost  # type: ignore[import-not-found]  # only in its toolchain

from ..program import Request, main, versions
from ..samples import first_that_runs
from ..tables import table, write_predictions
from .models import load_booster


def convert(request: Request) -> dict[str, str]:
    """Score the sample rows."""
    booster = load_booster(request)
    booster.feature_names = None
    write_predictions(request, booster.predict(xgboost.DMatrix(table(request))))
    return versions("xgboost-cpu")


if __name__ == "__main__":
    main(first_that_runs(convert))
