"""Outputs of a scikit-learn estimator: one for each of its methods, with the names that model servers use."""

from collections.abc import Iterator
from typing import Any

from kleverproto.signatures import Tensor
from modelfiles.inert_pickle import Inert, class_name
from modelformats.inert_arrays import InertArray, inert_array
from modelformats.tabular import LABELS, PROBABILITIES, TRANSFORMED

from .sklearn_inputs import bare_name, inner_steps

TRANSFORMING = (
    "sklearn.preprocessing",
    "sklearn.decomposition",
    "sklearn.feature_extraction",
    "sklearn.feature_selection",
    "sklearn.impute",
    "sklearn.kernel_approximation",
    "sklearn.random_projection",
    "sklearn.manifold",
    "sklearn.compose._column_transformer",
    "sklearn.neighbors._graph",
    "sklearn.neighbors._nca",
    "sklearn.neural_network._rbm",
)
"""Modules of estimators without predictions."""
ALSO_TRANSFORMING = {"FeatureAgglomeration", "FeatureUnion", "PLSSVD", "RandomTreesEmbedding"}
PREDICTING = {"RFE", "RFECV"}
"""Estimators in these modules that predict anyway, because they contain an estimator."""
NEITHER = {
    *(
        "AgglomerativeClustering",
        "ClassicalMDS",
        "DBSCAN",
        "HDBSCAN",
        "KernelDensity",
        "MDS",
        "NearestNeighbors",
        "OPTICS",
    ),
    *("SpectralBiclustering", "SpectralClustering", "SpectralCoclustering", "SpectralEmbedding", "TSNE"),
}
"""Estimators that describe only the rows on which they were fitted."""
NO_PROBABILITIES = {
    "LinearSVC",
    "OneVsOneClassifier",
    "OutputCodeClassifier",
    "PassiveAggressiveClassifier",
    "Perceptron",
    "RidgeClassifier",
    "RidgeClassifierCV",
}
IF_SET: dict[str, tuple[str, set[Any]]] = {
    "SVC": ("probability", {True}),
    "NuSVC": ("probability", {True}),
    "NearestCentroid": ("metric", {"euclidean"}),
    "SGDClassifier": ("loss", {"log_loss", "log", "modified_huber"}),
    "VotingClassifier": ("voting", {"soft"}),
}
"""Class to the parameter that decides, and to its values with probabilities."""
SEARCHES = ("GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
HELD = {
    **dict.fromkeys(SEARCHES, "best_estimator_"),
    **dict.fromkeys(("SelfTrainingClassifier", "FixedThresholdClassifier", "TunedThresholdClassifierCV"), "estimator_"),
    **dict.fromkeys(PREDICTING, "estimator_"),
    "StackingClassifier": "final_estimator_",
    "OneVsRestClassifier": "estimators_",
}
"""Class to the attribute with the estimator that it uses, or several alike."""
LINEAR, SCIKIT_LEARN = "sklearn.linear_model", "sklearn."
MOST_TARGETS = 2**31


def outputs_of(root: Inert, classes: InertArray | None, label_dtype: str | None) -> tuple[Tensor, ...]:
    """Return labels or numbers, and probabilities if there are any; or the result of a transformer."""
    last = _asked(root)
    if last is None or bare_name(last) in NEITHER:
        return ()
    if _only_transforms(last):
        return (Tensor(name=TRANSFORMED, shape=(-1, -1)),)
    predicted = Tensor(name=LABELS, dtype=label_dtype, shape=_shape(last))
    if classes is None or not classes.shape or not _has_probabilities(last):
        return (predicted,)
    return predicted, Tensor(name=PROBABILITIES, dtype="float64", shape=(-1, classes.shape[0]))


def uncallable_warnings(root: Inert) -> Iterator[str]:
    """Yield a warning if the estimator has no results for new rows."""
    last = _asked(root)
    if last is not None and bare_name(last) in NEITHER:
        yield (
            f"the file has a {bare_name(last)}, which has neither predict nor transform for new rows, so it cannot "
            "be served: save an estimator that has one"
        )


def _asked(root: Any) -> Inert | None:
    """Return the estimator whose methods are called: the last step of a pipeline; None if there is none."""
    seen = set[int]()
    while isinstance(root, Inert) and id(root) not in seen:
        seen.add(id(root))
        steps = inner_steps(root)
        if not steps:
            return root
        root = steps[-1]
    return None


def _only_transforms(estimator: Inert) -> bool:
    name = bare_name(estimator)
    transforms = (class_name(estimator) or "").startswith(TRANSFORMING) or name in ALSO_TRANSFORMING
    return transforms and name not in PREDICTING


def _has_probabilities(estimator: Inert) -> bool:
    """Return whether there are probabilities, for classes of scikit-learn.

    For other classes, only labels are certain.
    """
    return all(_allows_probabilities(each) for each in _chain(estimator))


def _allows_probabilities(estimator: Inert) -> bool:
    name = bare_name(estimator)
    if not (class_name(estimator) or "").startswith(SCIKIT_LEARN) or name in NO_PROBABILITIES:
        return False
    if name not in IF_SET:
        return True
    parameter, values = IF_SET[name]
    value = estimator.attribute(parameter)
    return isinstance(value, str | bool) and value in values


def _chain(estimator: Any) -> Iterator[Inert]:
    """Yield the estimator, and those that it uses in turn."""
    seen = set[int]()
    while isinstance(estimator, Inert) and id(estimator) not in seen:
        seen.add(id(estimator))
        yield estimator
        held = estimator.attribute(HELD.get(bare_name(estimator), ""))
        several = held if isinstance(held, list) else inner_steps(estimator)[-1:] if held is None else [held]
        estimator = several[0] if several else None


def _shape(estimator: Inert) -> tuple[int, ...]:
    """Return the shape of one value for each row, or for each of several targets."""
    targets = None if _counts_classes(estimator) else estimator.attribute("n_outputs_")
    coefficients = inert_array(estimator.attribute("coef_"))
    is_regressor = (class_name(estimator) or "").startswith(LINEAR) and estimator.attribute("classes_") is None
    if is_regressor and coefficients and coefficients.shape and len(coefficients.shape) > 1:
        return (-1, coefficients.shape[0])
    return (-1, targets) if isinstance(targets, int) and 1 < targets < MOST_TARGETS else (-1,)


def _counts_classes(estimator: Inert) -> bool:
    """Return whether its `n_outputs_` are classes: a classifying network has an output for each class."""
    binarizer = estimator.attribute("_label_binarizer")
    return isinstance(binarizer, Inert) and binarizer.attribute("y_type_") != "multilabel-indicator"
