"""Create tabular models: `python table_models.py <directory>`, one directory for each model."""

import sys
from pathlib import Path
from typing import Any

import catboost  # type: ignore[import-not-found]  # only in its toolchain
import joblib
import lightgbm  # type: ignore[import-not-found]  # only in its toolchain
import numpy as np
import pandas as pd  # type: ignore[import-untyped]  # only in its toolchain
import xgboost  # type: ignore[import-not-found]  # only in its toolchain
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

FEATURES, SPECIES = load_iris(return_X_y=True)
FEATURES = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)  # the samples of a check are standard normal
NUMBERS, PROGRESSION = load_diabetes(return_X_y=True)
NUMBERS = NUMBERS / NUMBERS.std(axis=0)
GENERATOR = np.random.default_rng(7)
CITIES = np.array(["Bonn", "Köln", "Ulm"], dtype=object)[SPECIES]


def place(root: Path, name: str) -> Path:
    """The directory of a model."""
    directory = root / name
    directory.mkdir(parents=True)
    return directory


def more_estimators() -> dict[str, Any]:
    """One estimator of each commonly converted kind."""
    unscaled = pd.DataFrame(FEATURES, columns=["sepal length", "sepal width", "petal length", "petal width"])
    cities = pd.DataFrame({"income": FEATURES[:, 0], "age": FEATURES[:, 1], "city": CITIES})
    chosen = ColumnTransformer([("n", StandardScaler(), ["sepal length", "petal width"])], remainder="passthrough")
    mixed = ColumnTransformer(
        [("n", StandardScaler(), ["income", "age"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["city"])]
    )
    gaps = np.where(GENERATOR.random(FEATURES.shape) < 0.1, np.nan, FEATURES)
    votes = [("a", LogisticRegression()), ("b", LinearDiscriminantAnalysis())]
    return {
        "chosen-columns": make_pipeline(chosen, LogisticRegression()).fit(unscaled, SPECIES),
        "mixed-columns": make_pipeline(mixed, LogisticRegression()).fit(cities, SPECIES),
        "histogram": HistGradientBoostingClassifier(max_iter=5).fit(gaps, SPECIES),
        "histogram-categories": HistGradientBoostingClassifier(max_iter=5, categorical_features=[0, 2]).fit(
            np.column_stack(
                [SPECIES % 2 + 3.0, FEATURES[:, 1], SPECIES + GENERATOR.integers(0, 3, len(SPECIES)), gaps]
            ),
            SPECIES,
        ),
        "histogram-numbers": HistGradientBoostingRegressor(max_iter=5, loss="poisson").fit(NUMBERS, PROGRESSION),
        "network": MLPClassifier(max_iter=50, random_state=0).fit(FEATURES, SPECIES),
        "neighbours": KNeighborsClassifier().fit(FEATURES, SPECIES),
        "bayes": GaussianNB().fit(FEATURES, SPECIES),
        "search": RandomizedSearchCV(SVC(), {"C": [1, 2]}, n_iter=1, random_state=0).fit(FEATURES, SPECIES),
        "calibrated": CalibratedClassifierCV(LinearSVC(random_state=0)).fit(FEATURES, SPECIES),
        "votes": VotingClassifier(votes, voting="soft").fit(FEATURES, SPECIES),
        "stack": StackingClassifier(votes).fit(FEATURES, SPECIES),
        "isolation": IsolationForest(n_estimators=5, random_state=0).fit(FEATURES),
        "clusters": KMeans(3, random_state=0).fit(FEATURES),
        "components": make_pipeline(make_union(PCA(2), StandardScaler()), LogisticRegression()).fit(FEATURES, SPECIES),
        "transformed": PCA(2).fit(FEATURES),
        "texts-as-classes": LogisticRegression().fit(FEATURES, CITIES),
        "targets": MultiOutputClassifier(LogisticRegression()).fit(FEATURES, np.stack([SPECIES, SPECIES > 0], axis=1)),
    }


def main(root: Path) -> None:
    """Create all models."""
    estimators = {
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(FEATURES, SPECIES),
        "forest": RandomForestClassifier(5, random_state=0).fit(FEATURES, SPECIES),
        "support-vectors": SVC(probability=False).fit(FEATURES, SPECIES),
        "regressor": GradientBoostingRegressor(n_estimators=5, random_state=0).fit(NUMBERS, PROGRESSION),
    }
    gaps = np.where(np.random.default_rng(0).random(FEATURES.shape) < 0.1, np.nan, FEATURES)
    codes = np.round(FEATURES * 2)
    estimators["forest-with-gaps"] = RandomForestClassifier(5, random_state=0).fit(gaps, SPECIES)
    estimators["categories"] = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(
        codes, SPECIES
    )
    table = pd.DataFrame(FEATURES, columns=["sepal length", "sepal width", "petal length", "petal width"])
    estimators["named-columns"] = make_pipeline(StandardScaler(), LogisticRegression()).fit(table, SPECIES)
    for name, estimator in (estimators | more_estimators()).items():
        joblib.dump(estimator, place(root, name) / "model.joblib")
    iris, binary = xgboost.DMatrix(FEATURES, SPECIES), xgboost.DMatrix(FEATURES, SPECIES == 1)
    softmax = {"objective": "multi:softprob", "num_class": 3}
    xgboost.train(softmax, iris, 3).save_model(place(root, "xgboost-classes") / "model.ubj")
    xgboost.train({"objective": "binary:logistic"}, binary, 3).save_model(place(root, "xgboost-binary") / "model.json")
    diabetes = xgboost.DMatrix(NUMBERS, PROGRESSION)
    xgboost.train({}, diabetes, 3).save_model(place(root, "xgboost-numbers") / "model.json")
    two = xgboost.DMatrix(NUMBERS, np.column_stack([PROGRESSION, -PROGRESSION]))
    for strategy in ("one_output_per_tree", "multi_output_tree"):
        vectors = xgboost.train({"tree_method": "hist", "multi_strategy": strategy}, two, 3)
        vectors.save_model(place(root, f"xgboost-{strategy}") / "model.ubj")
    quiet = {"verbose": -1, "num_leaves": 7}
    classes = lightgbm.Dataset(FEATURES, SPECIES)
    lightgbm.train(quiet | {"objective": "multiclass", "num_class": 3}, classes, 3).save_model(
        place(root, "lightgbm-classes") / "model.txt"
    )
    lightgbm.train(quiet | {"objective": "binary"}, lightgbm.Dataset(FEATURES, SPECIES == 1), 3).save_model(
        place(root, "lightgbm-binary") / "model.txt"
    )
    lightgbm.train(quiet, lightgbm.Dataset(NUMBERS, PROGRESSION), 3).save_model(
        place(root, "lightgbm-numbers") / "model.txt"
    )
    silent = {"iterations": 5, "verbose": False, "allow_writing_files": False}
    catboost.CatBoostClassifier(**silent).fit(FEATURES, SPECIES).save_model(
        str(place(root, "catboost-classes") / "model.cbm")
    )
    catboost.CatBoostRegressor(**silent).fit(NUMBERS, PROGRESSION).save_model(
        str(place(root, "catboost-numbers") / "model.json"), format="json"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
