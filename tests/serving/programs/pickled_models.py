"""Writes models of the libraries of a toolchain as users write them, and loads the pickles again by the allowlist.

Arguments: the output directory, the directory of modelfiles. Prints the names of the written directories.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
# ruff: noqa: PLC0415 - toolchains have some of the libraries

import pickle
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

ROWS = np.random.default_rng(0).random((60, 4))
CLASSES = np.arange(60) % 2


def pickled() -> Iterator[tuple[str, Any]]:
    """Fitted models by name."""
    import xgboost

    for kind in (xgboost.XGBClassifier, xgboost.XGBRegressor, xgboost.XGBRFClassifier):
        yield kind.__name__, kind(n_estimators=2).fit(ROWS, CLASSES)
    yield (
        "xgboost-early",
        xgboost.XGBClassifier(n_estimators=5, early_stopping_rounds=2).fit(
            ROWS, CLASSES, eval_set=[(ROWS, CLASSES)], verbose=False
        ),
    )
    yield "xgboost-booster", xgboost.train({}, xgboost.DMatrix(ROWS, CLASSES), 2)
    if find_spec("lightgbm"):
        import lightgbm

        for kind in (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor):
            yield kind.__name__, kind(n_estimators=2, verbose=-1).fit(ROWS, CLASSES)
        yield "lightgbm-booster", lightgbm.train({"verbose": -1}, lightgbm.Dataset(ROWS, CLASSES), 2)
    if find_spec("catboost"):
        import catboost

        for kind in (catboost.CatBoostClassifier, catboost.CatBoostRegressor):
            yield kind.__name__, kind(iterations=2, verbose=0, allow_writing_files=False).fit(ROWS, CLASSES)
    boosted = xgboost.XGBClassifier(n_estimators=2)
    yield "grid-of-boosting", GridSearchCV(boosted, {"max_depth": [1, 2]}, cv=2).fit(ROWS, CLASSES)
    pipeline = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression())
    yield "pipeline", GridSearchCV(pipeline, {"logisticregression__C": [1.0, 2.0]}, cv=2).fit(ROWS, CLASSES)


def saved_by_mlflow(directory: Path) -> Iterator[str]:
    """Models in MLflow's folders, in each of its serializations."""
    if not find_spec("mlflow"):
        return
    import mlflow.sklearn

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, CLASSES)
    for serialization in ("skops", "cloudpickle", "pickle"):
        name = f"mlflow-{serialization}"
        mlflow.sklearn.save_model(
            model, directory / name, serialization_format=serialization, input_example=ROWS[:2], pip_requirements=[]
        )
        yield name


def main() -> None:
    """Write and load the models."""
    directory = Path(sys.argv[1])
    sys.path.insert(0, sys.argv[2])
    from modelfiles.unpickling.allowlist import Allowlist
    from modelfiles.unpickling.loading import load

    warnings.simplefilter("ignore")
    for name, model in pickled():
        (directory / name).mkdir()
        file = directory / name / "model.pkl"
        file.write_bytes(pickle.dumps(model))
        assert type(load(file, Allowlist())) is type(model), name
        print(name)
    for name in saved_by_mlflow(directory):
        print(name)


main()
