"""Samples of tables: one matrix, or a column for each input, depending on the model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from modelconversion.programs.program import Input, ProblemError, Request
from modelconversion.programs.samples import matched
from modelconversion.programs.tables import feature_count, table

COLUMNS = {"width": np.array([1.0, 2.0]), "length": np.array([3, 4])}
MATRIX = [[1.0, 3.0], [2.0, 4.0]]


Arrays = dict[str, NDArray[Any]]


def request_with(directory: Path, samples: Arrays) -> Request:
    """A request to run a model on these samples."""
    path = directory / "inputs.npz"
    with path.open("wb") as file:
        np.savez(file, **samples)  # type: ignore[arg-type]  # the stubs take the names for options
    inputs = tuple(Input(name, shape=(-1, *array.shape[1:])) for name, array in samples.items())
    results = directory / "outputs.npz"
    return Request(directory, directory, directory / "report", inputs, samples=path, results=results)


@pytest.mark.parametrize("samples", [COLUMNS, {"input": np.array(MATRIX)}], ids=["columns", "matrix"])
def test_columns_are_joined_side_by_side(tmp_path: Path, samples: Arrays) -> None:
    request = request_with(tmp_path, samples)
    assert table(request).tolist() == MATRIX
    assert feature_count(request) == 2


def test_columns_fit_models_of_one_matrix_and_models_of_columns() -> None:
    assert {name: array.tolist() for name, array in matched(COLUMNS, ["X"]).items()} == {"X": MATRIX}
    assert list(matched(COLUMNS, ["length", "width"])) == ["length", "width"]


@pytest.mark.parametrize(
    "other", [np.array(["a", "b"]), np.array([1.0]), np.array([[1.0], [2.0]])], ids=["text", "shorter", "matrix"]
)
def test_only_columns_of_numbers_are_joined(tmp_path: Path, other: NDArray[Any]) -> None:
    samples = {**COLUMNS, "other": other}
    with pytest.raises(ProblemError, match="columns of several types"):
        table(request_with(tmp_path, samples))
    with pytest.raises(ProblemError, match="has 1 inputs"):
        matched(samples, ["X"])
