"""Runs a CatBoost model once."""

import numpy as np

from ..program import Request, main, versions
from ..samples import first_that_runs
from ..tables import table, write_predictions
from .models import load_model


def convert(request: Request) -> dict[str, str]:
    """Predict labels and probabilities, or numbers."""
    model, values = load_model(request), table(request)
    if hasattr(model, "predict_proba"):
        write_predictions(request, np.asarray(model.predict(values)).reshape(-1), model.predict_proba(values))
    else:
        write_predictions(request, model.predict(values))
    return versions("catboost")


if __name__ == "__main__":
    main(first_that_runs(convert))
