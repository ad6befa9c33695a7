"""Create tabular models with their answers: `python table_models.py <directory>`."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path
from typing import Any

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from cases import place, write
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

FEATURES, SPECIES = load_iris(return_X_y=True)
NAMES = load_iris().target_names[SPECIES]
NUMBERS, PROGRESSION = load_diabetes(return_X_y=True)
ROWS = FEATURES[::10]
HOLED = ROWS.copy()
HOLED[::3, 2] = np.nan
COLOURS = np.array(["red", "green", "blue"])[np.arange(150) % 3]
TEXTS = ["good fine", "bad awful", "fine", "awful sad", "good", "sad bad"]


def sklearn_models(root: Path) -> None:
    """Matrices, named columns with text among them, texts, and a transformer."""
    matrix = {"input": ("FP64", ROWS)}
    classifiers = {
        "pipeline": make_pipeline(StandardScaler(), LogisticRegression()).fit(FEATURES, NAMES),
        "missing-values": HistGradientBoostingClassifier(max_iter=5).fit(FEATURES, SPECIES),
    }
    for name, estimator in classifiers.items():
        rows = HOLED if name == "missing-values" else ROWS
        answers = {"predict": estimator.predict(rows), "predict_proba": estimator.predict_proba(rows)}
        save(root, name, estimator, {"input": ("FP64", rows)}, answers, classes=estimator.classes_.tolist())
    forest = RandomForestRegressor(5, random_state=0, n_jobs=2).fit(NUMBERS, PROGRESSION)
    save(root, "regressor", forest, {"input": ("FP64", NUMBERS[:9])}, {"predict": forest.predict(NUMBERS[:9])})
    vectors = SVC().fit(FEATURES, SPECIES)
    save(root, "no-probabilities", vectors, matrix, {"predict": vectors.predict(ROWS)})
    clusters = KMeans(3, random_state=0).fit(FEATURES)
    save(root, "clusters", clusters, matrix, {"predict": clusters.predict(ROWS)})
    scaler = StandardScaler().fit(FEATURES)
    save(root, "transformer", scaler, matrix, {"transform": scaler.transform(ROWS)})
    table = pd.DataFrame({"length": FEATURES[:, 0], "colour": COLOURS, "width": FEATURES[:, 1]})
    chosen = make_column_transformer((StandardScaler(), ["width", "length"]), (OneHotEncoder(), ["colour"]))
    mixed = make_pipeline(chosen, LogisticRegression()).fit(table, SPECIES)
    some = table.iloc[::10]
    columns = {name: ("BYTES" if name == "colour" else "FP64", some[name].to_numpy()) for name in table}
    answers = {"predict": mixed.predict(some), "predict_proba": mixed.predict_proba(some)}
    save(root, "named-columns", mixed, columns, answers)
    wide_models(root)
    reader = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0, 1, 0, 1, 0])
    answers = {"predict": reader.predict(TEXTS), "predict_proba": reader.predict_proba(TEXTS)}
    save(root, "texts", reader, {"input": ("BYTES", np.array(TEXTS, object))}, answers)
    directory = place(root, "sklearn-declared")
    joblib.dump(vectors, directory / "model" / "model.pkl")
    (directory / "ormbfile.yaml").write_text(
        "format: SKLearn\nsignature:\n  inputs:\n"
        + "".join(f"  - {{name: f{index}, dType: float32}}\n" for index in range(4))
    )
    given = {f"f{index}": ("FP32", ROWS[:, index].astype(np.float32)) for index in range(4)}
    write(directory, "SKLearn", given, {"predict": vectors.predict(ROWS.astype(np.float32))})


def wide_models(root: Path) -> None:
    """Models with more named columns than there are separate inputs: numbers, and numbers with texts."""
    names = [f"c{index}" for index in range(2001)]
    numbers = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 2001)), columns=names)
    labels = numbers["c0"] > numbers["c2000"]
    linear = LogisticRegression().fit(numbers, labels)
    answers = {"predict": linear.predict(numbers), "predict_proba": linear.predict_proba(numbers)}
    save(root, "wide", linear, {"input": ("FP64", numbers.to_numpy())}, answers)
    mixed = numbers.assign(c1=COLOURS[:20])
    others = [name for name in names if name != "c1"]
    chosen = make_column_transformer((OneHotEncoder(), ["c1"]), ("passthrough", others))
    tree = make_pipeline(chosen, DecisionTreeClassifier(random_state=0)).fit(mixed, labels)
    answers = {"predict": tree.predict(mixed), "predict_proba": tree.predict_proba(mixed)}
    texts = mixed.map(lambda value: value if isinstance(value, str) else repr(float(value)))
    save(root, "wide-texts", tree, {"input": ("BYTES", texts.to_numpy(object))}, answers)


def save(root: Path, name: str, estimator: Any, given: Any, answers: Any, **more: Any) -> None:
    """One estimator and its case."""
    directory = place(root, f"sklearn-{name}")
    joblib.dump(estimator, directory / "model" / "model.joblib")
    write(directory, "SKLearn", given, answers, **more)


def xgboost_models(root: Path) -> None:
    """Objectives with outputs of several shapes, in both formats."""
    floats = HOLED.astype(np.float32)
    boosters = {
        "softprob.ubj": xgboost.train(
            {"objective": "multi:softprob", "num_class": 3}, xgboost.DMatrix(FEATURES, SPECIES), 3
        ),
        "softmax.json": xgboost.train(
            {"objective": "multi:softmax", "num_class": 3}, xgboost.DMatrix(FEATURES, SPECIES), 3
        ),
        "logistic.json": xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(FEATURES, SPECIES == 1), 3),
        "targets.ubj": xgboost.train({}, xgboost.DMatrix(FEATURES, FEATURES[:, :3]), 3),
        "vectors.json": xgboost.train(
            {"multi_strategy": "multi_output_tree"}, xgboost.DMatrix(FEATURES, FEATURES[:, :3]), 3
        ),
        "linear.json": xgboost.train({"booster": "gblinear"}, xgboost.DMatrix(FEATURES, SPECIES), 3),
    }
    for name, booster in boosters.items():
        directory = place(root, f"xgboost-{name.split('.')[0]}")
        booster.save_model(directory / "model" / name)
        write(directory, "XGBoost", {"input": ("FP32", floats)}, {"predict": booster.predict(xgboost.DMatrix(floats))})


def lightgbm_models(root: Path) -> None:
    """Classes, two classes, numbers."""
    quiet = {"verbose": -1, "num_leaves": 7}
    sets = {
        "multiclass": (quiet | {"objective": "multiclass", "num_class": 3}, SPECIES),
        "binary": (quiet | {"objective": "binary"}, SPECIES == 1),
        "regression": (quiet, SPECIES),
    }
    for name, (parameters, labels) in sets.items():
        booster = lightgbm.train(parameters, lightgbm.Dataset(FEATURES, labels), 3)
        directory = place(root, f"lightgbm-{name}")
        booster.save_model(directory / "model" / "model.txt")
        write(directory, "LightGBM", {"input": ("FP64", HOLED)}, {"predict": booster.predict(HOLED)})


def catboost_models(root: Path) -> None:
    """Classes, numbers, and a feature of categories."""
    silent: dict[str, Any] = {"iterations": 5, "verbose": False, "allow_writing_files": False, "thread_count": 1}
    floats = HOLED.astype(np.float32)
    classifier = catboost.CatBoostClassifier(**silent).fit(FEATURES, NAMES)
    directory = place(root, "catboost-classes")
    classifier.save_model(str(directory / "model" / "model.cbm"))
    answers = {"predict": classifier.predict(floats)[:, 0], "predict_proba": classifier.predict_proba(floats)}
    write(directory, "CatBoost", {"input": ("FP32", floats)}, answers, classes=classifier.classes_.tolist())
    regressor = catboost.CatBoostRegressor(**silent).fit(FEATURES, SPECIES)
    directory = place(root, "catboost-numbers")
    regressor.save_model(str(directory / "model" / "model.json"), format="json")
    write(directory, "CatBoost", {"input": ("FP32", floats)}, {"predict": regressor.predict(floats)})
    table = pd.DataFrame({"length": FEATURES[:, 0].astype(np.float32), "colour": COLOURS})
    mixed = catboost.CatBoostClassifier(cat_features=["colour"], **silent).fit(table, SPECIES == 1)
    directory = place(root, "catboost-categories")
    mixed.save_model(str(directory / "model" / "model.cbm"))
    some = table.iloc[::10]
    given = {"length": ("FP32", some["length"].to_numpy()), "colour": ("BYTES", some["colour"].to_numpy())}
    write(directory, "CatBoost", given, {"predict_proba": mixed.predict_proba(some)})


if __name__ == "__main__":
    for make in (sklearn_models, xgboost_models, lightgbm_models, catboost_models):
        make(Path(sys.argv[1]))
