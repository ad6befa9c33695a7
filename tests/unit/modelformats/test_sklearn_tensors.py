"""The inputs and outputs of scikit-learn estimators, in the names of the model servers."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestRegressor, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from kleverproto.signatures import Signature
from kleverserve.adapters.matrices import INPUT as SERVED_INPUT
from modelformats import extract_signature
from modelformats.tabular import INPUT
from support.model_files import write

ROWS = np.arange(24.0).reshape(12, 2) % 7
CLASSES = np.array(["no", "yes"] * 6)
MIXED = np.array([[1.0, "red", 2.0], [2.0, "blue", 3.0], [3.0, "red", 4.0], [4.0, "blue", 5.0]], object)


def extracted(model: Any, directory: Path) -> Signature:
    return extract_signature("SKLearn", write(directory, "model.pkl", pickle.dumps(model)))


def named(model: Any, *names: str) -> Any:
    """An estimator as if it had been fitted on a data frame."""
    model.feature_names_in_ = np.array(names, object)
    return model


def inputs(signature: Signature) -> list[tuple[str, str | None, tuple[int | str, ...] | None]]:
    return [(tensor.name, tensor.dtype, tensor.shape) for tensor in signature.inputs]


def outputs(signature: Signature) -> list[tuple[str, tuple[int | str, ...] | None]]:
    return [(tensor.name, tensor.shape) for tensor in signature.outputs]


def test_a_matrix_has_the_input_name_of_the_model_server(tmp_path: Path) -> None:
    assert INPUT == SERVED_INPUT
    assert inputs(extracted(LogisticRegression().fit(ROWS, CLASSES), tmp_path)) == [(INPUT, None, (-1, 2))]


def test_named_columns_are_separate_inputs(tmp_path: Path) -> None:
    model = named(LogisticRegression().fit(ROWS, CLASSES), "width", "length")
    assert inputs(extracted(model, tmp_path)) == [("width", None, (-1,)), ("length", None, (-1,))]


def test_a_pipeline_has_the_names_of_its_first_step(tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS, CLASSES)
    named(model.steps[1][1], "z", "y")
    assert inputs(extracted(model, tmp_path)) == [(INPUT, None, (-1, 2))]
    named(model.steps[0][1], "width", "length")
    assert [name for name, _, _ in inputs(extracted(model, tmp_path))] == ["width", "length"]


@pytest.mark.parametrize("chosen", [[1], 1, slice(1, 2), [False, True, False], np.array([1]), np.int64(1)])
def test_columns_of_text_are_recognised_by_the_encoders(tmp_path: Path, chosen: Any) -> None:
    picked = [chosen] if isinstance(chosen, int | np.int64) else chosen
    table = ColumnTransformer([("n", StandardScaler(), [0, 2]), ("c", OneHotEncoder(), picked)])
    model = make_pipeline(table, LinearRegression()).fit(MIXED, [1, 2, 3, 4])
    assert inputs(extracted(model, tmp_path)) == [("x0", None, (-1,)), ("x1", "str", (-1,)), ("x2", None, (-1,))]


def test_columns_of_text_are_recognised_by_their_names(tmp_path: Path) -> None:
    table = ColumnTransformer([("n", StandardScaler(), [0, 2]), ("c", make_pipeline(OrdinalEncoder()), [1])])
    model = named(table.fit(MIXED), "a", "colour", "b")
    (numbers, encoder, _), (text, inner, _) = model.transformers_
    model.transformers_ = [(numbers, encoder, ["b", "a"]), (text, inner, ["colour"])]
    assert [(name, dtype) for name, dtype, _ in inputs(extracted(model, tmp_path))] == [
        ("a", None),
        ("colour", "str"),
        ("b", None),
    ]


def test_a_matrix_of_text_is_one_input(tmp_path: Path) -> None:
    model = OneHotEncoder().fit([["a", "b"], ["c", "d"]])
    assert inputs(extracted(model, tmp_path)) == [(INPUT, "str", (-1, 2))]


def test_the_input_of_a_vectorizer_is_text(tmp_path: Path) -> None:
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["a word", "another"], [0, 1])
    assert inputs(extracted(model, tmp_path)) == [(INPUT, "str", (-1,))]


def test_more_columns_than_a_catalogue_holds_are_one_matrix(tmp_path: Path) -> None:
    model = LinearRegression().fit(np.zeros((2, 2001)), [0.0, 1.0])
    signature = extracted(named(model, *(f"column{index}" for index in range(2001))), tmp_path)
    assert inputs(signature) == [(INPUT, None, (-1, 2001))]


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (LogisticRegression(), ["predict", "predict_proba"]),
        (make_pipeline(StandardScaler(), LogisticRegression()), ["predict", "predict_proba"]),
        (LinearSVC(), ["predict"]),
        (RidgeClassifier(), ["predict"]),
        (SVC(), ["predict"]),
        (SGDClassifier(), ["predict"]),
        (SGDClassifier(loss="log_loss"), ["predict", "predict_proba"]),
        (VotingClassifier([("a", LogisticRegression())]), ["predict"]),
        (VotingClassifier([("a", LogisticRegression())], voting="soft"), ["predict", "predict_proba"]),
        (OneVsRestClassifier(LinearSVC()), ["predict"]),
        (OneVsRestClassifier(LogisticRegression()), ["predict", "predict_proba"]),
        (GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2), ["predict", "predict_proba"]),
        (GridSearchCV(LinearSVC(), {"C": [1.0]}, cv=2), ["predict"]),
        (KMeans(2), ["predict"]),
        (PCA(1), ["transform"]),
        (make_pipeline(StandardScaler(), PCA(1)), ["transform"]),
        (DBSCAN(), []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_outputs_are_the_methods_that_can_be_called(tmp_path: Path, model: Any, expected: list[str]) -> None:
    fitted = model.fit(ROWS, CLASSES)
    assert [name for name, _ in outputs(extracted(fitted, tmp_path))] == expected
    assert [name for name in ("predict", "predict_proba") if hasattr(fitted, name)] == [
        name for name in expected if name != "transform"
    ]


def test_probabilities_have_a_column_for_each_class(tmp_path: Path) -> None:
    signature = extracted(LogisticRegression().fit(ROWS, np.arange(12) % 3), tmp_path)
    assert outputs(signature) == [("predict", (-1,)), ("predict_proba", (-1, 3))]
    assert [tensor.dtype for tensor in signature.outputs] == ["int64", "float64"]


@pytest.mark.parametrize("model", [LinearRegression(), RandomForestRegressor(2)])
def test_each_of_several_targets_has_a_column(tmp_path: Path, model: Any) -> None:
    assert outputs(extracted(model.fit(ROWS, np.zeros((12, 3))), tmp_path)) == [("predict", (-1, 3))]
    assert outputs(extracted(model.fit(ROWS, np.zeros(12)), tmp_path)) == [("predict", (-1,))]


@pytest.mark.parametrize(
    ("labels", "shape"), [(np.arange(12) % 3, (-1,)), (np.eye(12, 3, dtype=int), (-1, 3))], ids=["classes", "labels"]
)
def test_a_network_returns_one_class_for_each_row_or_several_labels(
    tmp_path: Path, labels: NDArray[np.int64], shape: tuple[int, ...]
) -> None:
    with warnings.catch_warnings(action="ignore"):  # few steps do not converge
        model = MLPClassifier(2, max_iter=1).fit(ROWS, labels)
    assert model.predict(ROWS).shape[1:] == shape[1:]
    assert outputs(extracted(model, tmp_path)) == [("predict", shape), ("predict_proba", (-1, 3))]


def test_the_attributes_of_a_searchs_best_estimator_are_reported(tmp_path: Path) -> None:
    model = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(ROWS, CLASSES)
    signature = extracted(model, tmp_path)
    assert inputs(signature) == [(INPUT, None, (-1, 2))]
    assert signature.details["classes"] == ["no", "yes"]
    assert signature.operators == {"GridSearchCV": 1, "LogisticRegression": 1}


def test_an_estimator_that_cannot_predict_new_rows_has_a_warning(tmp_path: Path) -> None:
    (warning,) = extracted(DBSCAN().fit(ROWS), tmp_path).warnings
    assert "a DBSCAN, which has neither predict nor transform" in warning


def test_an_estimator_contained_in_its_own_steps_is_read_once(tmp_path: Path) -> None:
    model: Any = ColumnTransformer([("n", StandardScaler(), [0])]).fit(ROWS)
    for _ in range(40):
        outer = ColumnTransformer([("a", "drop", [0])]).fit(ROWS)
        outer.transformers_ = [("a", model, [0]), ("b", model, [1])]
        model = outer
    assert inputs(extracted(model, tmp_path)) == [(INPUT, None, (-1, 2))]
