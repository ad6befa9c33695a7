"""Borders of a CatBoost model's numeric columns."""

import numpy as np

from ..program import Request, main, versions
from ..table_hints import Columns
from .models import load_model

_EXTREME = 1e38
"""Borders beyond this separate missing values from all numbers."""


def convert(request: Request) -> dict[str, str]:
    """Write the borders of its trees; a column has missing values if the model was trained with some."""
    model, columns = load_model(request), Columns()
    for column, borders in (model.get_borders() or {}).items():
        for border in borders:
            if abs(border) < _EXTREME:
                columns.threshold(column, border)
            else:
                columns.odd(column, np.nan)
    columns.write(request)
    return versions("catboost")


if __name__ == "__main__":
    main(convert)
