"""Create estimators with the scikit-learn version that PMML supports: `python pmml_models.py <directory>`."""

import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # only in its toolchain
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

FEATURES, SPECIES = load_iris(return_X_y=True)
FEATURES = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)  # the samples of a check are standard normal
NAMES = load_iris().target_names[SPECIES]
TABLE = pd.DataFrame(FEATURES, columns=["sepal length", "sepal width", "petal length", "petal width"])
NUMBERS, PROGRESSION = load_diabetes(return_X_y=True)
NUMBERS = NUMBERS / NUMBERS.std(axis=0)


def main(root: Path) -> None:
    """Create all estimators."""
    scalers = make_column_transformer((StandardScaler(), ["sepal length"]), (MinMaxScaler(), ["petal width"]))
    gaps = np.where(np.random.default_rng(0).random(FEATURES.shape) < 0.1, np.nan, FEATURES)
    lines = FEATURES[:, 0]
    estimators = {
        "tree-with-gaps": DecisionTreeRegressor(random_state=0).fit(gaps, lines),
        "forest-with-gaps": RandomForestClassifier(5, random_state=0).fit(gaps, SPECIES),
        "numbers-with-gaps": ExtraTreesRegressor(5, random_state=0).fit(gaps, lines),
        "imputed": make_pipeline(SimpleImputer(), RandomForestClassifier(5, random_state=0)).fit(gaps, SPECIES),
        "histogram-with-gaps": HistGradientBoostingClassifier(max_iter=5).fit(gaps, SPECIES),
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(FEATURES, SPECIES),
        "named-columns": make_pipeline(scalers, LogisticRegression()).fit(TABLE, NAMES),
        "forest": RandomForestClassifier(5, random_state=0).fit(FEATURES, SPECIES),
        "unused-columns": DecisionTreeClassifier(max_depth=2, random_state=0).fit(FEATURES, SPECIES),
        "boosted-trees": GradientBoostingClassifier(n_estimators=5, random_state=0).fit(FEATURES, SPECIES),
        "support-vectors": SVC().fit(FEATURES, NAMES),
        "line": LinearRegression().fit(NUMBERS, PROGRESSION),
        "network": MLPRegressor(hidden_layer_sizes=(8,), max_iter=2000, random_state=0).fit(NUMBERS, PROGRESSION),
        "two-targets": LinearRegression().fit(FEATURES, FEATURES[:, :2]),
        "foreign": GaussianProcessRegressor().fit(NUMBERS[:20], PROGRESSION[:20]),
    }
    for name, estimator in estimators.items():
        (root / name).mkdir()
        joblib.dump(estimator, root / name / "model.joblib")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
