"""Thresholds and categories of an XGBoost model, which accepts missing values."""

from ..program import Request, main, versions
from ..table_hints import Columns
from .models import load_booster


def convert(request: Request) -> dict[str, str]:
    """Write the values by which its trees split."""
    booster, columns = load_booster(request), Columns()
    booster.feature_names = None
    if "gblinear" not in booster.save_config():
        rows = booster.trees_to_dataframe()
        for row in rows[rows["Feature"] != "Leaf"].itertuples():
            column = int(row.Feature.removeprefix("f"))
            if isinstance(row.Category, list):
                columns.values(column, (float(code) for code in row.Category))
            else:
                columns.threshold(column, row.Split)
        columns.missing(range(booster.num_features()))
    columns.write(request)
    return versions("xgboost-cpu")


if __name__ == "__main__":
    main(convert)
