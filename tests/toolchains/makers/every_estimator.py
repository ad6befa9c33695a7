"""Convert every estimator of scikit-learn to ONNX: `python every_estimator.py <directory>`, with `programs` importable.

Each is fitted on small data and gets a directory with its answers and those of its conversion, `source.npz` and
`result.npz`, or the reason of its refusal, `refused.txt`.
"""

import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # only in its toolchain
from programs.onnx import run as onnx_run  # type: ignore[import-not-found]
from programs.onnx.files import FILE  # type: ignore[import-not-found]
from programs.program import Input, ProblemError, Request  # type: ignore[import-not-found]
from programs.sklearn import run as sklearn_run  # type: ignore[import-not-found]
from programs.sklearn import to_onnx
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import KNNImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import all_estimators

FEATURES, SPECIES = load_iris(return_X_y=True)
FEATURES, SPECIES = FEATURES[::3].astype(np.float32).astype(np.float64), SPECIES[::3]
OTHERS = FEATURES + np.random.default_rng(2).uniform(0.01, 0.2, FEATURES.shape).astype(np.float32)
"""Rows other than those of the fit, where neighbours tie."""
TARGETS = FEATURES[:, :2] @ np.array([[1.0, 0.5], [2.0, -1.0]])
LINEAR, LOGISTIC = LinearRegression(), LogisticRegression(max_iter=500)
NAMED = [("a", LOGISTIC), ("b", LogisticRegression(C=0.1, max_iter=500))]
AROUND_CLASSIFIER = (
    *("ClassifierChain", "MultiOutputClassifier", "OneVsOneClassifier", "OneVsRestClassifier", "OutputCodeClassifier"),
    *("RFE", "RFECV", "SelectFromModel", "SequentialFeatureSelector", "SelfTrainingClassifier", "FrozenEstimator"),
    *("FixedThresholdClassifier", "TunedThresholdClassifierCV"),
)
WRAPPERS: dict[str, Any] = {
    **{name: {"estimator": LOGISTIC} for name in AROUND_CLASSIFIER},
    **{name: {"estimator": LINEAR} for name in ("MultiOutputRegressor", "RegressorChain")},
    **{name: {"estimators": NAMED} for name in ("StackingClassifier", "VotingClassifier")},
    **{name: {"estimators": [("a", LINEAR), ("b", Ridge())]} for name in ("StackingRegressor", "VotingRegressor")},
    **{name: {"estimator": LOGISTIC, "param_grid": {"C": [1.0]}} for name in ("GridSearchCV", "HalvingGridSearchCV")},
    "RandomizedSearchCV": {"estimator": LOGISTIC, "param_distributions": {"C": [1.0]}, "n_iter": 1},
    "HalvingRandomSearchCV": {"estimator": LOGISTIC, "param_distributions": {"C": [1.0]}},
    "ColumnTransformer": {"transformers": [("all", "passthrough", [0, 1, 2, 3])]},
    "FeatureUnion": {"transformer_list": [("a", FunctionTransformer())]},
    "Pipeline": {"steps": [("a", LOGISTIC)]},
}
"""Arguments that estimators around others require."""
FEW = {"n_estimators": 5, "max_iter": 300, "random_state": 0, "n_init": 1, "n_components": 2}
"""Settings that shorten the fit, for estimators that have them."""
OF_OTHER_DATA = {"FeatureHasher", "HashingVectorizer", "PatchExtractor", "SparseCoder"}
"""Estimators of texts, dictionaries, pictures or nothing."""
OF_CODES = {"OneHotEncoder", "OrdinalEncoder", "CategoricalNB", "TargetEncoder"}
"""Estimators of integers for categories."""


def made() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """The name, the unfitted estimator, and further parts of the request."""
    for name, kind in all_estimators():
        if name in OF_OTHER_DATA:
            continue
        settings = dict(WRAPPERS.get(name, {}))
        known = kind._get_param_names()
        settings |= {key: value for key, value in FEW.items() if key in known and key not in settings}
        yield name, kind(**settings), {}
    yield "FunctionTransformer(np.log1p)", FunctionTransformer(np.log1p), {}
    yield "KNNImputer, opset 18", KNNImputer(), {"options": {"opset": "18"}}
    texts = HistGradientBoostingClassifier(max_iter=3, categorical_features=["city"])
    yield "HistGradientBoostingClassifier with categories that are texts", texts, {}
    codes = HistGradientBoostingClassifier(max_iter=3, categorical_features=[3])
    yield "HistGradientBoostingClassifier with categories that are numbers", codes, {}


def fitted(name: str, estimator: Any) -> tuple[Any, Any] | None:
    """The estimator after a fit on the first accepted data, with rows for it; None if it accepts none."""
    cities = pd.DataFrame({"x": FEATURES[:, 0], "city": np.array(["Bonn", "Ulm", "Rome"], object)[SPECIES]})
    coded = np.column_stack([FEATURES[:, :3], SPECIES + 10.0])
    candidates = {"texts": [(cities, SPECIES)], "numbers": [(coded, SPECIES)]}.get(name.rpartition(" are ")[2]) or [
        (FEATURES, SPECIES),
        (FEATURES, TARGETS),
        (FEATURES, TARGETS[:, 0]),
        (FEATURES, SPECIES > 0),
        (FEATURES[:, :1], TARGETS[:, 0]),
        (FEATURES[:, 0], TARGETS[:, 0]),
        (FEATURES, np.column_stack([SPECIES > 0, SPECIES > 1]).astype(int)),
    ]
    if isinstance(estimator, KNNImputer):
        gaps = np.where(np.random.default_rng(1).random(FEATURES.shape) < 0.2, np.nan, FEATURES)
        candidates = [(gaps, SPECIES)]
    is_regressor = getattr(estimator, "_estimator_type", "") == "regressor" or "Regress" in name
    if is_regressor:
        candidates = [(FEATURES, TARGETS[:, 0]), *candidates]
    if name in {"MultiOutputRegressor", "RegressorChain"} or name.startswith("MultiTask"):
        candidates = [(FEATURES, TARGETS)]
    if name in OF_CODES:
        candidates = [(np.round(FEATURES), SPECIES)]
    for rows, targets in candidates:
        try:
            return estimator.fit(rows, targets), rows if rows is not FEATURES else OTHERS
        except Exception:  # noqa: BLE001, S112 - each takes other data
            continue
    return None


def convert(estimator: Any, rows: Any, more: dict[str, Any], directory: Path) -> None:
    """Convert and run an estimator. Raises the errors of the programs."""
    source, result = directory / "source", directory / "result"
    source.mkdir(parents=True)
    result.mkdir()
    if isinstance(rows, pd.DataFrame):
        samples = {name: np.asarray(rows[name], np.str_ if name == "city" else np.float32) for name in rows.columns}
    else:
        samples = {"input": np.asarray(rows, np.float32)}
    kinds = {name: "str" if array.dtype.kind == "U" else "float32" for name, array in samples.items()}
    inputs = tuple(Input(name, kinds[name], (-1, *array.shape[1:])) for name, array in samples.items())
    given = directory / "samples.npz"
    np.savez(given, **samples)  # type: ignore[arg-type]
    pickled = source / "model.joblib"
    request = Request(source, result, directory / "report", inputs, format="SKLearn", files=(pickled,), **more)
    joblib.dump(estimator, pickled)
    to_onnx.convert(request)
    sklearn_run.convert(replace(request, samples=given, results=directory / "source.npz"))
    try:
        made_of_it = replace(request, source=result, format="ONNX", files=(result / FILE,), samples=given)
        onnx_run.convert(replace(made_of_it, results=directory / "result.npz"))
    except Exception as error:
        raise ProblemError("verification_failed", "the converted model does not run") from error


def main(root: Path) -> None:
    """Convert all estimators."""
    warnings.simplefilter("ignore")
    for name, estimator, more in made():
        model = fitted(name, estimator)
        if model is None or not (hasattr(model[0], "predict") or hasattr(model[0], "transform")):
            continue  # it needs data of another kind (labels, texts), or returns nothing for new rows
        directory = root / name
        try:
            convert(*model, more, directory)
        except ProblemError as problem:
            (directory / "refused.txt").write_text(str(problem))
        except Exception as error:  # noqa: BLE001 - as `programs.program.main` takes it
            (directory / "refused.txt").write_text(f"the converter failed ({type(error).__name__})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
