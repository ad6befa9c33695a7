"""Make estimators with the scikit-learn of the toolchain pmml: `python old_table_models.py <directory>`."""

import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd  # type: ignore[import-untyped]
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES, SPECIES = load_iris(return_X_y=True)
FEATURES = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)  # the samples of a check are standard normal
NUMBERS, PROGRESSION = load_diabetes(return_X_y=True)
NUMBERS = NUMBERS / NUMBERS.std(axis=0)
NAMED = pd.DataFrame(FEATURES, columns=["sepal length", "sepal width", "petal length", "petal width"])


def main(root: Path) -> None:
    """Make them all."""
    estimators: dict[str, Any] = {
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(FEATURES, SPECIES),
        "forest": RandomForestClassifier(5, random_state=0).fit(NAMED, SPECIES),
        "regressor": GradientBoostingRegressor(n_estimators=3, random_state=0).fit(NUMBERS, PROGRESSION),
        "unknown": GaussianProcessClassifier().fit(FEATURES[:30], [0, 1] * 15),
    }
    for name, estimator in estimators.items():
        directory = root / name
        directory.mkdir(parents=True)
        joblib.dump(estimator, directory / "model.joblib")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
