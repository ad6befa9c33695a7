"""Writes pipelines of scikit-learn that load and then fail, or that refuse all generated samples."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import sklearn.base
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

ROWS, CLASSES = np.array([[5.0], [7.0], [5.0], [7.0]]), [0, 1, 0, 1]


def keep(directory: Path, model: object) -> None:
    (directory / "model").mkdir(parents=True)
    joblib.dump(model, directory / "model" / "model.joblib")


root = Path(sys.argv[1])
keep(root / "choosy", make_pipeline(OneHotEncoder(handle_unknown="error"), LogisticRegression()).fit(ROWS, CLASSES))
half = DecisionTreeClassifier().fit(ROWS, CLASSES)
del half.n_classes_  # only predict_proba uses it
keep(root / "half", half)
frame = pd.DataFrame({"age": [5.0, 7.0, 5.0, 7.0], "job": ["cook", "nurse", "cook", "nurse"]})
columns = ColumnTransformer([("n", SimpleImputer(), ["age"]), ("c", OneHotEncoder(), ["job"])])
named = make_pipeline(columns, LogisticRegression()).fit(frame, CLASSES)
old = make_pipeline(SimpleImputer(), LogisticRegression()).fit(ROWS, CLASSES)
del old.steps[0][1]._fill_dtype  # like a pickle of an earlier version
sklearn.base.__version__ = "1.3.2"
keep(root / "old", old)
del named.steps[0][1].transformers_[0][1]._fill_dtype
keep(root / "named", named)
