"""Runs a LightGBM model once."""

from ..program import Request, main, versions
from ..samples import first_that_runs
from ..tables import table, write_predictions
from .models import load_booster


def convert(request: Request) -> dict[str, str]:
    """Score the sample rows."""
    booster = load_booster(request)
    write_predictions(request, booster.predict(table(request)))
    return versions("lightgbm")


if __name__ == "__main__":
    main(first_that_runs(convert))
