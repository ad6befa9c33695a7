"""Adds the routes of missing values in the trees of scikit-learn, which skl2onnx omits."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import onnx

ROUTES = "nodes_missing_value_tracks_true"
_LEAF = b"LEAF"


def trees_of(part: Any) -> Iterable[Any]:
    """Return the trees of an estimator, at any depth."""
    if hasattr(part, "tree_"):
        yield part.tree_
    for _, step in getattr(part, "steps", ()):
        yield from trees_of(step)
    for each in np.ravel(np.array(getattr(part, "estimators_", []), dtype=object)):
        yield from trees_of(each)


def route_missing(model: onnx.ModelProto, estimator: Any) -> None:
    """Route missing values in the trees of an ONNX model like the estimator's trees."""
    trees = list(trees_of(estimator))
    for node in model.graph.node:
        if trees and node.op_type in {"TreeEnsembleClassifier", "TreeEnsembleRegressor"}:
            _route(node, trees)


def _route(node: onnx.NodeProto, trees: Iterable[Any]) -> None:
    """Set the routes of one ensemble; an ensemble with an unknown tree does not change."""
    attributes = {each.name: each for each in node.attribute}
    routes = [0] * len(attributes["nodes_treeids"].ints)
    for places in _by_tree(attributes["nodes_treeids"].ints, attributes["nodes_nodeids"].ints):
        inner = [place for place in places if attributes["nodes_modes"].strings[place] != _LEAF]
        features = [attributes["nodes_featureids"].ints[place] for place in inner]
        thresholds = [attributes["nodes_values"].floats[place] for place in inner]
        tree = next((tree for tree in trees if _is(tree, features, thresholds)), None)
        if tree is None:
            return
        for place, flag in zip(inner, tree.missing_go_to_left[tree.feature >= 0], strict=True):
            routes[place] = int(flag)
    if ROUTES in attributes:
        node.attribute.remove(attributes[ROUTES])
    node.attribute.append(onnx.helper.make_attribute(ROUTES, routes))


def _by_tree(tree_ids: Sequence[int], node_ids: Sequence[int]) -> Iterable[list[int]]:
    """Yield the positions of each tree's nodes, in the order of their ids."""
    places: dict[int, list[int]] = defaultdict(list)
    for place, tree in enumerate(tree_ids):
        places[tree].append(place)
    return [sorted(each, key=lambda place: node_ids[place]) for each in places.values()]


def _is(tree: Any, features: list[int], thresholds: list[float]) -> bool:
    inner = tree.feature >= 0
    return tree.feature[inner].tolist() == features and np.allclose(tree.threshold[inner], thresholds, rtol=1e-5)
