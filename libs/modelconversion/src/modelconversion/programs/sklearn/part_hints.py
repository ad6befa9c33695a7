"""Values that the parts of a scikit-learn estimator distinguish, by column: thresholds, categories, ranges."""

from typing import Any

import numpy as np

from ..table_hints import Columns
from .trees import trees_of

UNKNOWN = "an unknown category"


def collect_hints(part: Any, seen: list[int], columns: Columns) -> bool:
    """Record the values that a part distinguishes. Returns whether its output is its input columns, unchanged."""
    if hasattr(part, "steps"):
        return all(collect_hints(step, seen, columns) for _, step in part.steps if step not in (None, "passthrough"))
    if hasattr(part, "transformers_"):
        for _, transformer, chosen in part.transformers_:
            if transformer not in ("drop", "passthrough"):
                collect_hints(transformer, [seen[i] for i in _positions(part, chosen)], columns)
        return False
    if hasattr(part, "categories_"):
        _encoder(part, seen, columns)
        return False
    if hasattr(part, "statistics_"):  # imputers
        columns.missing(seen)
        return len(part.statistics_) == len(seen)
    if hasattr(part, "_predictors"):
        _histograms(part, seen, columns)
    elif hasattr(part, "best_estimator_"):
        return collect_hints(part.best_estimator_, seen, columns)
    else:
        _ranges(part, seen, columns)
        for tree in trees_of(part):
            _tree(tree, seen, columns)
    return False


def _positions(part: Any, chosen: Any) -> list[int]:
    """Return columns that a ColumnTransformer selects by position, name, slice or mask."""
    if isinstance(chosen, slice) and all(isinstance(end, int | None) for end in (chosen.start, chosen.stop)):
        return list(range(part.n_features_in_))[chosen]
    listed = [chosen] if isinstance(chosen, str | int) else list(chosen)
    if listed and isinstance(listed[0], bool | np.bool_):
        return [i for i, taken in enumerate(listed) if taken]
    names = list(getattr(part, "feature_names_in_", ()))
    return [names.index(each) if isinstance(each, str) else int(each) for each in listed]


def _encoder(encoder: Any, seen: list[int], columns: Columns) -> None:
    takes_unknown = getattr(encoder, "handle_unknown", "error") != "error"
    for column, categories in zip(seen, encoder.categories_, strict=False):
        columns.values(column, categories.tolist())
        if takes_unknown:
            is_text = any(isinstance(each, str) for each in categories)
            columns.odd(column, UNKNOWN if is_text else float(np.nanmax(categories.astype(float))) + 1)


def _histograms(model: Any, seen: list[int], columns: Columns) -> None:
    """Record thresholds and categories of HistGradientBoosting, which treats unknown categories as missing values."""
    encoder = model._preprocessor.named_transformers_["encoder"] if getattr(model, "_preprocessor", None) else None  # noqa: SLF001
    flags = model.is_categorical_ if model.is_categorical_ is not None else [False] * len(seen)
    categorical = [column for column, flag in zip(seen, flags, strict=False) if flag]
    if encoder is not None:
        for column, categories in zip(categorical, encoder.categories_, strict=False):
            columns.values(column, [each for each in categories.tolist() if each == each])  # noqa: PLR0124  # not NaN
    # internally, the categorical columns come first
    inner = categorical + [column for column in seen if column not in categorical]
    for predictors in model._predictors:  # noqa: SLF001
        for predictor in predictors:
            for node in predictor.nodes:
                if not node["is_leaf"] and not node["is_categorical"]:
                    columns.threshold(inner[node["feature_idx"]], node["num_threshold"])
    columns.missing(column for column in seen if column not in categorical)


def _ranges(part: Any, seen: list[int], columns: Columns) -> None:
    """Record the ranges of values that scalers have learned."""
    mean, scale = getattr(part, "mean_", None), getattr(part, "scale_", None)
    if mean is not None and scale is not None and len(mean) == len(scale) == len(seen):
        for column, middle, width in zip(seen, mean, scale, strict=True):
            columns.values(column, (middle + width * np.linspace(-2, 2, 16)).tolist())
    low, high = getattr(part, "data_min_", None), getattr(part, "data_max_", None)
    if low is not None and high is not None and len(low) == len(seen):
        for column, smallest, largest in zip(seen, low, high, strict=True):
            columns.values(column, np.linspace(smallest, largest, 16).tolist())


def _tree(tree: Any, seen: list[int], columns: Columns) -> None:
    inner = tree.feature >= 0
    for feature, threshold in zip(tree.feature[inner], tree.threshold[inner], strict=True):
        columns.threshold(seen[feature], threshold)
    if np.any(tree.missing_go_to_left[inner]):
        columns.missing({seen[feature] for feature in tree.feature[inner]})
