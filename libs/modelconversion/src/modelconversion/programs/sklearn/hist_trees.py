"""Converts the trees of HistGradientBoosting to attributes of ONNX's TreeEnsembleRegressor (ai.onnx.ml 1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from numbers import Real
from typing import Any

import numpy as np

_NEVER = float("nan")
"""No value equals it."""


@dataclass(frozen=True)
class Columns:
    """The features of the trees: estimators with categories put those first, and count them from 0."""

    features: list[int]
    """The column of the table for each feature of the trees."""
    categories: dict[int, list[float]]
    """The values of a feature's categories."""


def columns_of(estimator: Any) -> Columns:
    """Return the columns of a fitted estimator. Raises NotImplementedError if categories are not numbers."""
    is_categorical = getattr(estimator, "is_categorical_", None)
    if is_categorical is None:
        return Columns(list(range(estimator.n_features_in_)), {})
    order = [*np.flatnonzero(is_categorical), *np.flatnonzero(~is_categorical)]
    known = estimator._preprocessor.named_transformers_["encoder"].categories_  # noqa: SLF001  # kept nowhere else
    if not all(isinstance(value, Real) for values in known for value in values):
        raise NotImplementedError("its categories are texts: put an OrdinalEncoder before it, in the pipeline")
    return Columns(
        [int(column) for column in order], {place: [float(v) for v in each] for place, each in enumerate(known)}
    )


@dataclass(frozen=True)
class _Node:
    """A node of TreeEnsembleRegressor."""

    mode: str
    feature: int = 0
    value: float = 0.0
    yes: int = 0
    no: int = 0
    missing_is_yes: bool = False
    weight: float = 0.0


def tree_attributes(estimator: Any) -> dict[str, Any]:
    """Return all trees, whose leaves add up to a row of `n_trees_per_iteration_` numbers."""
    columns = columns_of(estimator)
    nodes, leaves = [], []
    number = 0
    for iteration in estimator._predictors:  # noqa: SLF001  # the estimator has no public access to its trees
        for target, predictor in enumerate(iteration):
            for place, node in enumerate(_tree(predictor, columns)):
                nodes.append((number, place, node))
                if node.mode == "LEAF":
                    leaves.append((number, place, target, node.weight))
            number += 1
    trees, places, weights = zip(*nodes, strict=True)
    leaf_trees, leaf_places, targets, values = zip(*leaves, strict=True)
    return {
        "nodes_treeids": list(trees),
        "nodes_nodeids": list(places),
        "nodes_modes": [node.mode for node in weights],
        "nodes_featureids": [node.feature for node in weights],
        "nodes_values": [float(node.value) for node in weights],
        "nodes_truenodeids": [node.yes for node in weights],
        "nodes_falsenodeids": [node.no for node in weights],
        "nodes_missing_value_tracks_true": [int(node.missing_is_yes) for node in weights],
        "target_treeids": list(leaf_trees),
        "target_nodeids": list(leaf_places),
        "target_ids": list(targets),
        "target_weights": list(values),
        "n_targets": int(estimator.n_trees_per_iteration_),
        "base_values": [float(value) for value in np.ravel(estimator._baseline_prediction)],  # noqa: SLF001
    }


def _tree(predictor: Any, columns: Columns) -> Iterator[_Node]:
    """Yield the nodes of a tree; a set of categories is a chain of nodes, one for each."""
    chains = [_matched(node, predictor, columns) for node in predictor.nodes]
    starts = np.cumsum([0, *(len(chain) for chain in chains)])
    for index, (node, chain) in enumerate(zip(predictor.nodes, chains, strict=True)):
        if node["is_leaf"]:
            yield _Node("LEAF", weight=float(node["value"]))
            continue
        feature = columns.features[node["feature_idx"]]
        left, right = int(starts[node["left"]]), int(starts[node["right"]])
        missing_left = bool(node["missing_go_to_left"])
        if not node["is_categorical"]:
            yield _Node("BRANCH_LEQ", feature, chain[0], left, right, missing_left)
            continue
        yes, no = (right, left) if missing_left else (left, right)
        for offset, value in enumerate(chain, 1):
            following = int(starts[index]) + offset if offset < len(chain) else no
            yield _Node("BRANCH_EQ", feature, value, yes, following)


def _matched(node: Any, predictor: Any, columns: Columns) -> list[float]:
    """Return the node's threshold, or the categories that take the other branch than missing and unknown ones."""
    if node["is_leaf"]:
        return [0.0]
    if not node["is_categorical"]:
        return [_not_above(float(node["num_threshold"]))]
    bits = predictor.raw_left_cat_bitsets[node["bitset_idx"]]
    goes_left = [bool(bits[code // 32] >> np.uint32(code % 32) & 1) for code in range(32 * len(bits))]
    known = columns.categories[int(node["feature_idx"])]
    wanted = not node["missing_go_to_left"]
    chosen = [value for value, left in zip(known, goes_left, strict=False) if left is wanted and not isnan(value)]
    return chosen or [_NEVER]


def _not_above(threshold: float) -> float:
    """Return the largest float32 that is not above, with which a float32 compares like with the threshold."""
    narrow = np.float32(threshold)
    return float(np.nextafter(narrow, np.float32(-np.inf)) if narrow > threshold else narrow)
