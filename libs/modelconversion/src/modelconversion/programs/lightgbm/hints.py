"""Thresholds and categories of a LightGBM model, and the columns with missing values."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..program import Request, main, versions
from ..table_hints import Columns
from .models import load_booster


def convert(request: Request) -> dict[str, str]:
    """Write the values by which its trees split."""
    booster, columns = load_booster(request), Columns()
    with_gaps = set()
    for split in (split for tree in booster.dump_model()["tree_info"] for split in _splits(tree["tree_structure"])):
        column = int(split["split_feature"])
        if split["decision_type"] == "==":
            columns.values(column, (float(code) for code in str(split["threshold"]).split("||")))
        else:
            columns.threshold(column, float(split["threshold"]))
        if split["missing_type"] == "NaN":
            with_gaps.add(column)
    for column in with_gaps:
        columns.odd(column, np.nan)
    columns.write(request)
    return versions("lightgbm")


def _splits(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting = [node]
    while waiting:
        here = waiting.pop()
        if "split_feature" in here:
            yield here
            waiting += [here["left_child"], here["right_child"]]


if __name__ == "__main__":
    main(convert)
