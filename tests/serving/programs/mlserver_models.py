"""The same classifier in the formats of MLServer's runtimes, each in a directory with its predictions for `ROWS`."""

import json
import sys
from pathlib import Path
from typing import Any

import catboost  # type: ignore[import-not-found]  # only in its toolchain
import joblib
import lightgbm  # type: ignore[import-not-found]  # only in its toolchain
import mlflow
import numpy as np
from mlflow.models import infer_signature
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from xgboost import DMatrix, XGBClassifier, XGBRegressor  # type: ignore[import-not-found]  # only in its toolchain

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.1, 5.6, 2.4], [6.0, 2.7, 5.1, 1.6]]


def main(root: Path) -> None:
    features, species = load_iris(return_X_y=True, as_frame=True)
    table = features.to_numpy()
    linear = LogisticRegression(max_iter=500).fit(table, species)
    trees = XGBClassifier(n_estimators=8).fit(table, species)
    framed = LogisticRegression(max_iter=500).fit(features, species)

    joblib.dump(linear, folder(root / "sklearn") / "classifier.joblib")
    joblib.dump(framed, folder(root / "named") / "classifier.joblib")
    trees.save_model(folder(root / "xgboost") / "classifier.json")
    targets = XGBRegressor(n_estimators=4).fit(table, table[:, :3])
    targets.save_model(folder(root / "targets") / "targets.ubj")
    boosted(root, table, species)
    scaler = StandardScaler().fit(table)
    joblib.dump(scaler, folder(root / "scaler") / "scaler.joblib")
    by_tensor = infer_signature(table.astype(np.float32), linear.predict(table))
    mlflow.sklearn.save_model(linear, folder(root / "tensor"), signature=by_tensor)
    by_columns = infer_signature(features, framed.predict(features))
    mlflow.sklearn.save_model(framed, folder(root / "columns"), signature=by_columns)
    mlflow.sklearn.save_model(linear, folder(root / "unsigned"))
    broken = LogisticRegression(max_iter=500).fit(table, species)
    del broken.coef_  # like a pickle of another release
    mlflow.sklearn.save_model(broken, folder(root / "unsigned-broken"))

    rows = np.array(ROWS, np.float32)
    for name in ("sklearn", "tensor", "unsigned"):
        write(root / name, linear.predict(rows), linear.predict_proba(rows))
    write(root / "targets", targets.predict(rows))
    write(root / "scaler", scaler.transform(rows))
    write(root / "xgboost", trees.get_booster().predict(DMatrix(rows)))
    rows64 = np.array(ROWS)
    for name in ("columns", "named"):
        write(root / name, linear.predict(rows64), linear.predict_proba(rows64))


def boosted(root: Path, table: Any, species: Any) -> None:
    """Models of LightGBM and CatBoost."""
    rows = np.array(ROWS, np.float32)
    leaves = lightgbm.LGBMClassifier(n_estimators=4, verbose=-1).fit(table, species)
    leaves.booster_.save_model(folder(root / "lightgbm") / "leaves.lgb")
    write(root / "lightgbm", leaves.booster_.predict(rows))
    oblivious = catboost.CatBoostRegressor(iterations=4, verbose=False, allow_writing_files=False)
    oblivious.fit(table, table[:, 0])
    oblivious.save_model(str(folder(root / "catboost") / "oblivious.cbm"))
    write(root / "catboost", oblivious.predict(rows))


def folder(directory: Path) -> Path:
    (directory / "model").mkdir(parents=True)
    return directory / "model"


def write(directory: Path, predicted: Any, probabilities: Any = None) -> None:
    expected = {"predicted": predicted.tolist(), "probabilities": np.asarray(probabilities).tolist()}
    (directory / "expected.json").write_text(json.dumps(expected))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
