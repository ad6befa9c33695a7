"""Writes pipelines of scikit-learn that load and then fail, or refuse whatever is made up for them, to a directory."""

import sys
from pathlib import Path

import joblib
import numpy as np
import sklearn.base
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

ROWS, CLASSES = np.array([[5.0], [7.0], [5.0], [7.0]]), [0, 1, 0, 1]


def keep(directory: Path, model: object) -> None:
    (directory / "model").mkdir(parents=True)
    joblib.dump(model, directory / "model" / "model.joblib")


root = Path(sys.argv[1])
keep(root / "choosy", make_pipeline(OneHotEncoder(handle_unknown="error"), LogisticRegression()).fit(ROWS, CLASSES))
old = make_pipeline(SimpleImputer(), LogisticRegression()).fit(ROWS, CLASSES)
del old.steps[0][1]._fill_dtype  # as an earlier version left it
sklearn.base.__version__ = "1.3.2"
keep(root / "old", old)
