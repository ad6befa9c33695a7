"""Hints that programs read from models: vocabularies of ONNX, thresholds and categories of scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from modelconversion.checks.hints import Hints, read_hints
from modelconversion.programs.onnx import hints as hints_onnx
from modelconversion.programs.program import Request
from modelconversion.programs.sklearn.part_hints import UNKNOWN, collect_hints
from modelconversion.programs.sklearn.trees import ROUTES, route_missing, trees_of
from modelconversion.programs.table_hints import Columns

ROWS = np.random.default_rng(0).normal(size=(200, 2))


def request(directory: Path) -> Request:
    path = directory / "hints.npz"
    return Request(directory, directory, directory, samples=path, results=path, files=(directory / "model.onnx",))


def hints(directory: Path) -> Hints:
    with np.load(directory / "hints.npz") as arrays:
        return read_hints(dict(arrays))


def test_inputs_that_index_a_table_are_limited_by_its_rows(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Cast", ["tokens"], ["wide"], to=TensorProto.INT64),
        helper.make_node("Identity", ["words"], ["table"]),
        helper.make_node("Gather", ["table", "wide"], ["a"]),
        helper.make_node("Gather", ["kinds", "type"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
        helper.make_node("Add", ["c", "other"], ["y"]),
    ]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT32, ["n"]) for n in ("tokens", "type", "other")]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])]
    tables = {"words": np.zeros((500, 2), np.float32), "kinds": np.zeros((2, 2), np.float32)}
    weights = [numpy_helper.from_array(table, name) for name, table in tables.items()]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, weights)), tmp_path / "model.onnx")
    hints_onnx.convert(request(tmp_path))
    assert hints(tmp_path).limits == {"tokens": 500, "type": 2}


def tree_node(estimator: Any) -> onnx.ModelProto:
    """A forest as skl2onnx writes it, which does not mention missing values."""
    columns: dict[str, Any] = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes")}
    for number, tree in enumerate(reversed(list(trees_of(estimator)))):
        for node in reversed(range(tree.node_count)):
            inner = tree.feature[node] >= 0
            columns["treeids"].append(number)
            columns["nodeids"].append(node)
            columns["featureids"].append(int(tree.feature[node]) if inner else 0)
            columns["values"].append(float(tree.threshold[node]) if inner else 0.0)
            columns["modes"].append("BRANCH_LEQ" if inner else "LEAF")
    attributes: dict[str, Any] = {f"nodes_{name}": values for name, values in columns.items()}
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    return helper.make_model(helper.make_graph([node], "g", [], []))


def routes(model: onnx.ModelProto) -> list[int] | None:
    return next((list(each.ints) for each in model.graph.node[0].attribute if each.name == ROUTES), None)


def test_missing_values_take_the_branches_of_the_estimators_trees() -> None:
    forest = RandomForestRegressor(3, max_depth=3, random_state=0).fit(
        np.where(ROWS > 1, np.nan, ROWS), np.nan_to_num(ROWS[:, 0]) + ROWS[:, 1]
    )
    model = tree_node(forest)
    route_missing(model, forest)
    wanted = [
        int(tree.feature[node] >= 0 and tree.missing_go_to_left[node])
        for tree in reversed(list(trees_of(forest)))
        for node in reversed(range(tree.node_count))
    ]
    assert routes(model) == wanted
    assert 0 < sum(wanted) < len(wanted)


def test_trees_that_are_not_those_of_the_estimator_are_left_alone() -> None:
    one, other = (RandomForestRegressor(2, max_depth=2, random_state=0).fit(ROWS, ROWS[:, i]) for i in (0, 1))
    model = tree_node(one)
    route_missing(model, other)
    assert routes(model) is None


def hints_of(estimator: Any, directory: Path) -> Hints:
    columns = Columns()
    collect_hints(estimator, list(range(estimator.n_features_in_)), columns)
    columns.write(request(directory))
    return hints(directory)


def test_encoders_have_their_categories_and_an_unknown_one_if_they_accept_it(tmp_path: Path) -> None:
    words = np.array([["red", "s"], ["blue", "m"]], object)
    taking = hints_of(OneHotEncoder(handle_unknown="ignore").fit(words), tmp_path)
    assert (taking.columns[0].values, taking.columns[0].odd) == (("blue", "red"), (UNKNOWN,))
    numbers = make_pipeline(OrdinalEncoder(), LinearRegression()).fit([[5], [7]], [0, 1])
    assert (hints_of(numbers, tmp_path).columns[0].values, hints(tmp_path).columns[0].odd) == ((5, 7), ())


def test_columns_of_a_transformer_are_found_by_position_slice_and_mask(tmp_path: Path) -> None:
    table = np.column_stack([np.repeat([1, 2], 5), np.repeat([3, 4], 5), np.arange(10), np.arange(10)])
    parts = [
        ("a", OneHotEncoder(), [1]),
        ("b", StandardScaler(), slice(2, 4)),
        ("c", OneHotEncoder(), [True, False, False, False]),
    ]
    columns = hints_of(ColumnTransformer(parts).fit(table), tmp_path).columns
    assert (columns[0].values, columns[1].values) == ((1, 2), (3, 4))
    assert min(columns[2].values) < 0
    assert max(columns[3].values) > 9


def test_trees_behind_an_imputer_have_values_around_their_thresholds_and_gaps(tmp_path: Path) -> None:
    pipeline = make_pipeline(SimpleImputer(), RandomForestRegressor(3, random_state=0)).fit(ROWS, ROWS[:, 0])
    (column, _) = (hints_of(pipeline, tmp_path).columns[i] for i in (0, 1))
    assert len(column.values) > 20
    assert np.isnan(column.odd).any()


def test_thresholds_behind_a_scaler_are_not_those_of_the_columns(tmp_path: Path) -> None:
    pipeline = make_pipeline(StandardScaler(), RandomForestRegressor(3, random_state=0)).fit(ROWS * 100, ROWS[:, 0])
    assert max(hints_of(pipeline, tmp_path).columns[0].values) > 100


def test_histograms_have_categories_thresholds_and_gaps(tmp_path: Path) -> None:
    table = np.column_stack([np.repeat([3.0, 8.0], 100), ROWS[:, 0]])
    model = HistGradientBoostingRegressor(categorical_features=[0], max_iter=5).fit(table, ROWS[:, 0] + table[:, 0])
    columns = hints_of(model, tmp_path).columns
    assert columns[0].values == (3, 8)
    assert len(columns[1].values) > 5
    assert np.isnan(columns[1].odd).any()
