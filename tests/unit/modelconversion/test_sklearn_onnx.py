"""scikit-learn to ONNX where skl2onnx alone is wrong: HistGradientBoosting, and columns of several kinds."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelconversion.programs.onnx.files import without_maps
from modelconversion.programs.program import Input, Request
from modelconversion.programs.sklearn import hist_boosting
from modelconversion.programs.sklearn.columns import initial_types, with_columns

GENERATOR = np.random.default_rng(5)
ROWS = 400
NUMBERS = GENERATOR.standard_normal((ROWS, 3)).astype(np.float32)
CODES = GENERATOR.choice([2, 3, 5, 7, 40], (ROWS, 1)).astype(np.float32)
TABLE = np.hstack([NUMBERS, CODES])
TABLE[::11, 0] = np.nan
TABLE[::13, 3] = np.nan
AMOUNT = np.exp(NUMBERS[:, 0] + np.isin(CODES[:, 0], [3, 7]) * NUMBERS[:, 1])
CLASSES = np.digitize(AMOUNT, [0.5, 2])
ODD = np.array([[0, 0, 0, 4], [0, 0, 0, -1], [0, 0, 0, 1e9], [np.inf, -9, 0, 2]], np.float32)
UNSEEN = np.vstack([TABLE, ODD])
NAMES = np.array(["low", "middle", "high"])


def answers(model: ModelProto, **inputs: NDArray[Any]) -> list[NDArray[Any]]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(values) for values in session.run(None, inputs)]


def converted(estimator: Any) -> ModelProto:
    hist_boosting.register()
    return without_maps(convert_sklearn(estimator, initial_types=[("X", FloatTensorType([None, TABLE.shape[1]]))]))


@pytest.mark.parametrize("categorical", [None, [3], [1, 3]], ids=["numbers", "categories", "categories-between"])
@pytest.mark.parametrize("loss", ["squared_error", "poisson", "gamma", "quantile"])
def test_boosted_numbers_are_the_same_with_missing_unknown_and_known_categories(
    loss: str, categorical: list[int] | None
) -> None:
    table, asked = TABLE.copy(), UNSEEN.copy()
    table[:, 1], asked[:, 1] = np.round(table[:, 1]), np.round(asked[:, 1])
    estimator = HistGradientBoostingRegressor(
        loss=loss, quantile=0.4, max_iter=8, categorical_features=categorical, random_state=0
    ).fit(table, AMOUNT)
    (outputs,) = answers(converted(estimator), X=asked)
    np.testing.assert_allclose(outputs[:, 0], estimator.predict(asked.astype(np.float64)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "labels",
    [CLASSES, NAMES[CLASSES], (CLASSES > 0).astype(np.int64), NAMES[CLASSES // 2]],
    ids=["three", "texts", "two", "two texts"],
)
def test_boosted_classes_and_their_probabilities_are_the_same(labels: NDArray[Any]) -> None:
    estimator = HistGradientBoostingClassifier(max_iter=5, categorical_features=[3], random_state=0).fit(TABLE, labels)
    labels, probabilities = answers(converted(estimator), X=UNSEEN)
    wide = UNSEEN.astype(np.float64)
    np.testing.assert_allclose(probabilities, estimator.predict_proba(wide), atol=1e-5)
    assert labels.tolist() == estimator.predict(wide).tolist()


def request_for(*inputs: Input) -> Request:
    return Request(Path(), Path(), Path(), inputs)


def test_each_column_of_a_table_of_numbers_and_texts_is_an_input() -> None:
    cities = np.array(["Bonn", "Köln", "Ulm"])[GENERATOR.integers(0, 3, ROWS)]
    rows = np.column_stack([NUMBERS[:, :2].astype(object), cities.astype(object)])
    parts = [("numbers", StandardScaler(), [0, 1]), ("texts", OneHotEncoder(handle_unknown="ignore"), [2])]
    estimator = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(rows, CLASSES)
    request = request_for(Input("a b", None, (-1,)), Input("x1", None, (-1,)), Input("city", "str", (-1,)))
    model = convert_sklearn(estimator, initial_types=initial_types(request, estimator), target_opset=17)
    with_columns(without_maps(model), request)
    assert [(value.name, len(value.type.tensor_type.shape.dim)) for value in model.graph.input] == [
        ("a b", 1),
        ("x1", 1),
        ("city", 1),
    ]
    inputs = {"a b": NUMBERS[:, 0], "x1": NUMBERS[:, 1], "city": cities.astype(object)}
    labels, probabilities = answers(model, **inputs)
    np.testing.assert_allclose(probabilities, estimator.predict_proba(rows), atol=1e-5)
    assert labels.tolist() == estimator.predict(rows).tolist()


def test_named_columns_of_a_single_matrix_are_inputs_too() -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(NUMBERS, CLASSES)
    request = request_for(*(Input(name, None, (-1,)) for name in ("a", "b", "c")))
    model = convert_sklearn(estimator, initial_types=initial_types(request, estimator), target_opset=17)
    with_columns(without_maps(model), request)
    labels, _ = answers(model, a=NUMBERS[:, 0], b=NUMBERS[:, 1], c=NUMBERS[:, 2])
    assert labels.tolist() == estimator.predict(NUMBERS).tolist()


def test_text_categories_are_refused() -> None:
    rows = np.column_stack([NUMBERS[:, :1].astype(object), NAMES[CLASSES].astype(object)])
    estimator = HistGradientBoostingRegressor(max_iter=2, categorical_features=[1]).fit(rows, AMOUNT)
    hist_boosting.register()
    with pytest.raises(NotImplementedError, match="put an OrdinalEncoder before it"):
        convert_sklearn(estimator, initial_types=[("X", FloatTensorType([None, 2]))])
